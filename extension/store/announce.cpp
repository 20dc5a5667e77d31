#include "store/announce.hpp"

#include "boundary.hpp"
#include "settings.hpp"
#include "store/digest.hpp"

namespace pdpp::store {

void announce(std::string_view run_id) {
    if (settings::notify) {
        Async_Notify("pdpp_run", psprintf("%016llx", static_cast<unsigned long long>(sha256_head(run_id))));
    }
}

} // namespace pdpp::store
