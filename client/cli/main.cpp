// The program `pdpp`: does what its command line asks for.

#include "cli/command_line.hpp"
#include "cli/output.hpp"
#include "controller/process.hpp"
#include "log/log.hpp"

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

/// Blots out the passwords of connection strings where everybody may read them: in the list of processes.
void hide_passwords(int argc, char** argv) {
    constexpr std::string_view keyword = "password=";
    for (int i = 1; i < argc; ++i) {
        const std::string_view word{argv[i]};
        for (auto at = word.find(keyword); at != std::string_view::npos; at = word.find(keyword, at + keyword.size())) {
            const auto begin = at + keyword.size();
            const bool is_quoted = begin < word.size() && word[begin] == '\'';
            const auto end = word.find_first_of(is_quoted ? "'" : " &", begin + (is_quoted ? 1 : 0));
            std::fill(argv[i] + begin, argv[i] + std::min(end, word.size()), '*');
        }
        const auto user = word.find("://");
        const auto host = user == std::string_view::npos ? user : word.find('@', user);
        const auto colon = host == std::string_view::npos ? host : word.find(':', user + 3);
        if (colon < host) {
            std::fill(argv[i] + colon + 1, argv[i] + host, '*');
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
