#pragma once
// What can go wrong between a client and the database, as one exception whose kind says what a caller may conclude:
// above all, whether a statement can have committed. The server's refusals keep their SQLSTATE, DETAIL and HINT; the
// project's own ones ("PTnnn", DETAIL a JSON object) are read by typed_refusal().

#include <boost/json/object.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pdpp::pq {

enum class ErrorKind {
    cannot_connect, ///< no connection could be made, or none came free in time: nothing was sent
    not_let_in, ///< the same, for a reason that does not pass by itself: the server allows none, or libpq takes none
                ///< of what is said to it; hint() says what to do about it
    connection_lost, ///< lost before the statement can have committed, or while it only read
    in_doubt,        ///< lost while a statement that may have committed was in flight
    timeout,         ///< no answer in time; the connection was closed, and a write may still commit
    refused,         ///< the server said no: sqlstate() tells why
    misused,         ///< this program's own mistake: the connection is closed or busy
};

class Error : public std::runtime_error {
  public:
    /// `message` is what() afterwards, without trailing line ends; `detail` and `hint` are empty when there are none.
    Error(ErrorKind kind, const std::string& message, std::string sqlstate = {}, std::string detail = {},
          std::string hint = {});

    [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
    /// Five characters, or empty when the server did not speak.
    [[nodiscard]] const std::string& sqlstate() const noexcept { return sqlstate_; }
    [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
    [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

  private:
    ErrorKind kind_;
    std::string sqlstate_;
    std::string detail_;
    std::string hint_;
};

/// What is said where an answer is somebody else's.
inline constexpr const char* not_what_was_asked = "what was answered is not what was asked for";

/// The SQLSTATEs that are told from others of their class, by the names of PostgreSQL's appendix A.
namespace sqlstate {
constexpr std::string_view read_only_sql_transaction = "25006";
constexpr std::string_view invalid_authorization = "28000"; ///< no such role, or none that may come in from there
constexpr std::string_view invalid_password = "28P01";
constexpr std::string_view invalid_catalog_name = "3D000"; ///< no such database
constexpr std::string_view insufficient_privilege = "42501";
constexpr std::string_view undefined_function = "42883";
constexpr std::string_view configuration_limit_exceeded = "53400";
constexpr std::string_view program_limit_exceeded = "54000";
constexpr std::string_view object_not_in_prerequisite_state = "55000"; ///< such as a database that is closed
constexpr std::string_view lock_not_available = "55P03";
constexpr std::string_view query_canceled = "57014"; ///< by the statement_timeout, as a rule
constexpr std::string_view snapshot_too_old = "72000";
} // namespace sqlstate

/// Whether a SQLSTATE tells of load, or of something else that passes, and of nothing that the call or the program did.
bool is_passing(std::string_view sqlstate);

/// Whether trying again can help: the connection was at fault and not the call, or the SQLSTATE is a passing one.
bool is_passing(const Error& error);

/// A refusal in the convention that PostgREST speaks too: SQLSTATE `PTnnn`, MESSAGE for people, DETAIL a JSON object.
struct TypedRefusal {
    int http_status;           ///< nnn, within 400..599
    std::string code;          ///< such as `run_already_active`
    std::string param;         ///< the argument it is about; empty if none
    boost::json::object extra; ///< whatever else DETAIL carries
};

/// The typed refusal in `error`, or nothing if it is not one (another SQLSTATE, or a DETAIL without a code).
std::optional<TypedRefusal> typed_refusal(const Error& error);

/// Removes the member `key` from `object` and returns it; empty if it is absent or not a string.
std::string take_string(boost::json::object& object, std::string_view key);

} // namespace pdpp::pq
