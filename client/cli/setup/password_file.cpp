#include "cli/setup/password_file.hpp"

#include "pq/random.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <pwd.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace pdpp::cli {

namespace {

constexpr std::size_t password_bytes = 24;

/// $HOME if that is the home of the user who runs this, which it is not under every `runuser`; else as the system
/// knows it.
std::string home() {
    const char* const said = std::getenv("HOME");
    struct stat found {};
    if (said != nullptr && ::stat(said, &found) == 0 && found.st_uid == ::geteuid()) {
        return said;
    }
    const auto* const entry = ::getpwuid(::geteuid());
    return entry == nullptr ? "" : entry->pw_dir;
}

std::string users_password_file() {
    const char* const said = std::getenv("XDG_CONFIG_HOME");
    if (said != nullptr && *said == '/') {
        return std::string{said} + "/pdpp/owner-password";
    }
    const auto folder = home();
    return folder.empty() ? "" : folder + "/.config/pdpp/owner-password";
}

[[noreturn]] void fail(const std::string& what, const std::string& path) {
    throw std::system_error(errno, std::generic_category(), what + " " + path);
}

void make_folder(const std::filesystem::path& folder, mode_t mode) {
    if (folder.empty() || std::filesystem::is_directory(folder)) {
        return;
    }
    make_folder(folder.parent_path(), mode);
    // whatever the umask is: who is to read the file has to get there
    if (::mkdir(folder.c_str(), mode) != 0 || ::chmod(folder.c_str(), mode) != 0) {
        fail("cannot make the folder", folder);
    }
}

bool write_whole(int file, std::string_view text) {
    return ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
}

} // namespace

std::string own_password_file() {
    return ::geteuid() == 0 ? machines_password_file : users_password_file();
}

std::vector<std::string> usual_password_files() {
    std::vector<std::string> files;
    if (auto own = users_password_file(); !own.empty()) {
        files.push_back(std::move(own));
    }
    files.emplace_back(machines_password_file);
    return files;
}

std::string reader_of_password(const std::string& role, const std::string& asking_user) {
    return role == asking_user ? role : "";
}

void make_password_file(const std::string& path, const std::string& owner) {
    const bool is_root = ::geteuid() == 0;
    make_folder(std::filesystem::path(path).parent_path(), is_root ? 0755 : 0700);
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        fail("cannot make", path);
    }
    const auto* const entry = is_root && !owner.empty() ? ::getpwnam(owner.c_str()) : nullptr;
    const bool is_done = (entry == nullptr || ::fchown(file, entry->pw_uid, entry->pw_gid) == 0) &&
                         write_whole(file, pq::random_hex(password_bytes) + "\n");
    const int reason = errno;
    ::close(file);
    if (!is_done) {
        ::unlink(path.c_str());
        errno = reason;
        fail("cannot write", path);
    }
}

} // namespace pdpp::cli
