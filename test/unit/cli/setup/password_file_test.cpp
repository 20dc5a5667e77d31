// Whose the file is that `pdpp init` makes for the owner's password.

#include <boost/test/unit_test.hpp>

#include "cli/setup/password_file.hpp"
#include "cli/setup/server_user.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

using namespace pdpp::cli;

namespace {

/// A folder of its own, with what is made in it.
class Folder {
  public:
    Folder() : path_(std::filesystem::temp_directory_path() / "pdpp-password-XXXXXX") {
        auto text = path_.string();
        BOOST_REQUIRE(::mkdtemp(text.data()) != nullptr);
        path_ = text;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string file(const char* name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

struct stat status_of_file(const std::string& path) {
    struct stat found {};
    BOOST_REQUIRE(::stat(path.c_str(), &found) == 0);
    return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(setup_password_file)

BOOST_AUTO_TEST_CASE(another_users_role_is_no_reason_to_give_it_away) {
    BOOST_TEST(reader_of_password("pdpp-controller", "root").empty());
    BOOST_TEST(reader_of_password("pdpp-gateway", "ann").empty());
    BOOST_TEST(reader_of_password("ann", "ann") == "ann");
}

BOOST_AUTO_TEST_CASE(it_is_for_whoever_makes_it) {
    const Folder folder;
    const auto path = folder.file("sub/password");
    make_password_file(path, "");
    BOOST_TEST(status_of_file(path).st_uid == ::geteuid());
    BOOST_TEST((status_of_file(path).st_mode & 07777U) == 0600U);
    std::string line;
    std::getline(std::ifstream(path) >> std::ws, line);
    BOOST_TEST(line.size() == 48U);
    BOOST_CHECK_EXCEPTION(make_password_file(path, ""), std::system_error,
                          [](const auto& error) { return error.code() == std::errc::file_exists; });
}

BOOST_AUTO_TEST_CASE(or_for_whom_root_makes_it) {
    const auto* const nobody = ::getpwnam("nobody");
    if (::geteuid() != 0 || nobody == nullptr) {
        return; // only root can give a file away
    }
    const auto uid = nobody->pw_uid;
    const Folder folder;
    make_password_file(folder.file("theirs"), "nobody");
    BOOST_TEST(status_of_file(folder.file("theirs")).st_uid == uid);
    BOOST_TEST((status_of_file(folder.file("theirs")).st_mode & 07777U) == 0600U);
    make_password_file(folder.file("roots"), "no such user");
    BOOST_TEST(status_of_file(folder.file("roots")).st_uid == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
