// The program `pdpp`: does what its command line asks for.

#include "cli/command_line.hpp"
#include "cli/output.hpp"
#include "controller/process.hpp"
#include "log/log.hpp"
#include "pq/secrets.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

/// Makes sure that 0, 1 and 2 are open, so that no socket or pipe of ours ever takes their place and is written to.
void open_standard_descriptors() {
    int opened = 0;
    do {
        opened = ::open("/dev/null", O_RDWR);
    } while (opened >= 0 && opened <= STDERR_FILENO);
    if (opened >= 0) {
        ::close(opened);
    }
}

/// Blots out the passwords of connection strings where everybody may read them: in the list of processes. What is shown
/// instead has no more room than what was there.
void hide_passwords(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word{argv[i]};
        auto shown = pdpp::pq::without_secrets(word);
        if (shown != word) {
            shown.resize(word.size(), ' ');
            std::ranges::copy(shown, argv[i]);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        open_standard_descriptors();
        pdpp::log::to_standard_error();
        pdpp::controller::take_in_orphans();
        std::vector<std::string> words(argv + 1, argv + argc);
        hide_passwords(argc, argv);
        return pdpp::cli::read_command_line(std::move(words))();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pdpp: %s\n", error.what());
        return pdpp::cli::exit_code::other_ending;
    }
}
