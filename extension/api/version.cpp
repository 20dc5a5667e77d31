// pdpp_library_version: which version of the library a session has loaded, for the scripts to see that it is theirs.

#include "boundary.hpp"

namespace pdpp::api {

PDPP_FUNCTION(pdpp_library_version) {
    (void)fcinfo;
    return to_text(PDPP_VERSION);
}

} // namespace pdpp::api
