#pragma once
// Root is no role of PostgreSQL, but whoever runs the server is: peer authentication lets a unix user in by its name.

#include <string>
#include <sys/types.h>

namespace pdpp::cli {

/// While this lives, root is the user that the server runs as, if that is one of this machine, reached over its socket.
/// Does nothing for anybody else.
class AsServersUser {
  public:
    /// `socket` is the path of the server's socket; empty if it has none.
    explicit AsServersUser(const std::string& socket);
    AsServersUser(const AsServersUser&) = delete;
    AsServersUser& operator=(const AsServersUser&) = delete;
    ~AsServersUser();

  private:
    bool is_other_ = false;
};

/// The unix user that this runs as.
std::string unix_user();

/// The unix user that asked for this: under sudo the one who called it.
std::string asking_user();

/// Whose files are ours: theirs, under sudo.
uid_t asking_user_id();

bool is_unix_user(const std::string& name);

} // namespace pdpp::cli
