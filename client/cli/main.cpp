// The program `pdpp`: does what its command line asks for.

#include "cli/command_line.hpp"
#include "cli/output.hpp"
#include "controller/process.hpp"
#include "log/log.hpp"

#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <unistd.h>

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

} // namespace

int main(int argc, char** argv) {
    try {
        open_standard_descriptors();
        pdpp::log::to_standard_error();
        pdpp::controller::take_in_orphans();
        return pdpp::cli::read_command_line({argv + 1, argv + argc})();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pdpp: %s\n", error.what());
        return pdpp::cli::exit_code::other_ending;
    }
}
