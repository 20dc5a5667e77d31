// Loading of the module.

#include "pg.hpp"
#include "settings.hpp"
#include "store/announce.hpp"
#include "store/boot_session.hpp"
#include "store/catalogue.hpp"
#include "store/clock.hpp"
#include "store/durable.hpp"
#include "store/endings.hpp"
#include "store/wait.hpp"
#include "store/wake.hpp"
#include "worker/worker.hpp"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void); // NOLINT(bugprone-reserved-identifier): the name the server looks for
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the name the server looks for
void _PG_init(void) {
    // pg_upgrade loads the module only to see that it can
    if (IsBinaryUpgrade) {
        return;
    }
    pdpp::settings::define();
    pdpp::store::watch_catalogue();
    pdpp::store::watch_boot_session();
    pdpp::store::watch_durability();
    pdpp::store::watch_announcements();
    pdpp::store::watch_prepared_transactions();
    pdpp::store::watch_waits();
    if (process_shared_preload_libraries_in_progress) {
        pdpp::store::prepare_clock();
        pdpp::store::prepare_wake();
        pdpp::store::prepare_announcements();
        pdpp::store::prepare_waits();
        pdpp::worker::register_launcher();
    }
}
