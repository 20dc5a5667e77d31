#include "store/boot_settings.hpp"

#include "pg.hpp"

namespace pdpp::store {

namespace {

/// Quietly where the platform has no such thing.
void set(const char* name, const char* value) {
    (void)set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, DEBUG1, false);
}

} // namespace

void keep_settings_of_booted() {
    for (const pg::IntegerSetting& timeout : pg::session_timeouts) {
        if (*timeout.value != 0) {
            set(timeout.name, "0");
        }
    }
    // Whoever has configured something knows the network better. With these, a client whose host has lost its power is
    // given up after 17 seconds, whether or not something was on its way to it.
    struct Watch {
        pg::IntegerSetting setting;
        const char* wanted;
    };
    static constexpr Watch of_network[] = {{{"tcp_keepalives_idle", &tcp_keepalives_idle}, "5"},
                                           {{"tcp_keepalives_interval", &tcp_keepalives_interval}, "3"},
                                           {{"tcp_keepalives_count", &tcp_keepalives_count}, "4"},
                                           {{"tcp_user_timeout", &tcp_user_timeout}, "15000"}};
    if (pg::is_over_network()) {
        for (const Watch& watch : of_network) {
            if (*watch.setting.value == 0) {
                set(watch.setting.name, watch.wanted);
            }
        }
    }
    // the same while a statement runs
    for (const pg::IntegerSetting& interval : pg::client_checks) {
        if (*interval.value == 0) {
            set(interval.name, "5000");
        }
    }
}

} // namespace pdpp::store
