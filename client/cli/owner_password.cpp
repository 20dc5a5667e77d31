#include "cli/owner_password.hpp"

#include "cli/setup/password_file.hpp"
#include "cli/setup/server_user.hpp"
#include "http/owner/session.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace {

[[noreturn]] void refuse(std::string message, std::string hint) {
    throw Failure{exit_code::usage, "usage", std::move(message), std::move(hint), {}};
}

/// Throws Failure for a file that others than us and root could read or replace. Where root has made it for us, as
/// systemd and orchestrators do, its group, or the mask of its access list, may be who we are.
void check_secrecy(const std::string& path, const struct stat& file) {
    // under sudo it is the caller's, for whom pdpp init made it
    const bool is_ours = file.st_uid == ::geteuid() || file.st_uid == asking_user_id();
    const mode_t others = is_ours ? S_IRWXG | S_IRWXO : S_IWGRP | S_IXGRP | S_IRWXO;
    if (!is_ours && file.st_uid != 0) {
        refuse(fmt::format("the password file {} belongs to another user", path),
               fmt::format("It must belong to the user that runs this, or to root: chown root {}", path));
    }
    if ((file.st_mode & others) != 0) {
        refuse(fmt::format("the password file {} can be read by others", path),
               fmt::format("Take that from them (chmod 600 {}), and if they may have read it, choose another password.",
                           path));
    }
}

struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    void operator()(char* memory) const noexcept { std::free(memory); } // NOLINT: it is getline()'s
};

/// Empty if there is none. Throws Failure as check_secrecy() does.
std::string first_line_of(const std::string& path) {
    const std::unique_ptr<std::FILE, Close> file{std::fopen(path.c_str(), "re")};
    struct stat found {};
    if (!file || ::fstat(::fileno(file.get()), &found) != 0) {
        return {};
    }
    check_secrecy(path, found);
    char* memory = nullptr;
    std::size_t size = 0;
    const auto length = ::getline(&memory, &size, file.get());
    const std::unique_ptr<char, Close> owner{memory};
    if (length <= 0) {
        return {};
    }
    std::string line(memory, static_cast<std::size_t>(length));
    if (line.back() == '\n') {
        line.pop_back();
    }
    return line;
}

/// The value of a variable; empty if it is not set.
std::string in_environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

} // namespace

std::optional<std::string> owner_password_file(UsualFiles usual) {
    if (auto path = in_environment("PDPP_OWNER_PASSWORD_FILE"); !path.empty()) {
        return path;
    }
    if (usual == UsualFiles::looked_for && in_environment("PDPP_OWNER_PASSWORD").empty()) {
        for (const auto& path : usual_password_files()) {
            if (::access(path.c_str(), R_OK) == 0) {
                return path;
            }
        }
    }
    return std::nullopt;
}

std::optional<std::string> owner_password(UsualFiles usual) {
    auto password = in_environment("PDPP_OWNER_PASSWORD");
    const auto path = owner_password_file(usual);
    if (!path) {
        return password.empty() ? std::nullopt : std::optional{std::move(password)};
    }
    if (!password.empty()) {
        refuse("PDPP_OWNER_PASSWORD and PDPP_OWNER_PASSWORD_FILE are both set", "Unset one of them.");
    }
    if (::access(path->c_str(), F_OK) != 0) {
        refuse(fmt::format("there is no file {}", *path),
               "PDPP_OWNER_PASSWORD_FILE names one whose first line is the owner's password; pdpp init makes it.");
    }
    password = first_line_of(*path);
    if (password.empty()) {
        refuse(fmt::format("there is no password in {}", *path),
               "The first line of the file that PDPP_OWNER_PASSWORD_FILE names is the owner's password.");
    }
    return password;
}

std::string owner_subject() {
    auto subject = in_environment("PDPP_OWNER_SUBJECT_ID");
    if (!is_storable(subject)) {
        refuse("PDPP_OWNER_SUBJECT_ID is not UTF-8 text", "Set it to the owner's id, or leave it out.");
    }
    return subject.empty() ? std::string{http::usual_owner_subject} : subject;
}

std::optional<std::string> hidden_password_file() {
    for (const auto& path : usual_password_files()) {
        if (::access(path.c_str(), F_OK) == 0 && ::access(path.c_str(), R_OK) != 0) {
            return path;
        }
    }
    return std::nullopt;
}

Failure no_owner_password(const std::string& what_to_do) {
    std::string files;
    for (const auto& path : usual_password_files()) {
        // one that is there is somebody else's
        files += fmt::format("{}{}{}", files.empty() ? "" : " or ", path,
                             ::access(path.c_str(), F_OK) == 0 ? " (which this user may not read)" : "");
    }
    return {exit_code::usage,
            "usage",
            "PDPP_OWNER_PASSWORD is not set, nor is PDPP_OWNER_PASSWORD_FILE, and there is no file " + files,
            what_to_do,
            {}};
}

} // namespace pdpp::cli
