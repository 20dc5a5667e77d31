#pragma once
// What a session that proves a boot's life has to be set to.

namespace pdpp::store {

/// It must not be ended for being idle, and it must end soon when its client has gone without a word. As SET does it:
/// undone if the transaction aborts, and by RESET ALL. To be called again when somebody may have set it otherwise.
void keep_settings_of_booted();

} // namespace pdpp::store
