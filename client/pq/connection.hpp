#pragma once
// One connection to PostgreSQL that never blocks the event loop (only the lookup of a host's name does, inside libpq):
// libpq in its nonblocking form, its socket watched by Asio. One operation at a time; a connection must outlive the
// operation that runs on it. Everything here belongs to one thread.

#include "pq/error.hpp"
#include "pq/result.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

constexpr std::chrono::milliseconds default_timeout = std::chrono::seconds(30);

/// What a statement may leave behind: decides whether losing the connection under it is `connection_lost` or
/// `in_doubt`.
enum class Effect { reads, writes };

/// What the server at the other end is for those who write.
enum class Standing {
    primary,  ///< it takes writes
    replaced, ///< it takes none: it is a standby, or its default_transaction_read_only is on
    not_ours, ///< the session is not the one that was opened: a pooler has exchanged or reset it
};

/// Whether a session is of use in a database that has no extension pdpp; `not_asked`: nor is anything else asked or set
/// of it, since it may be others' too.
enum class Extension { needed, not_needed, not_asked };

/// A named argument of a function of the SQL API. `name` and `type` come from this program, never from its users.
/// `type` is what the value is cast to, or an expression in which it is `$`.
struct Argument {
    std::string_view name;
    std::string_view type;
    Parameter value;
};

struct Notification {
    std::string channel;
    std::string payload;
};

class Connection {
  public:
    explicit Connection(const boost::asio::any_io_executor& executor);
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    /// Connects, and finds the schema that the extension was installed in. `conninfo` is a keyword string, a URI or a
    /// plain database name; what it leaves out comes from the environment and the service file, as libpq does it.
    /// Several hosts are tried one after the other, each with its share of `timeout` (pq/hosts.hpp).
    /// Throws Error: `cannot_connect` or, where one of the hosts tells so, `not_let_in`, with its SQLSTATE if it is the
    /// server that refuses, or `refused` if the database has no extension pdpp, which may not be needed.
    /// `application_name` is how the session is called in pg_stat_activity, whatever `conninfo` says; empty: as it
    /// says.
    boost::asio::awaitable<void> open(std::string conninfo, std::chrono::milliseconds timeout = default_timeout,
                                      std::string application_name = {}, Extension extension = Extension::needed);

    /// The same, to the server that takes writes (pq/hosts.hpp); with Effect::reads to the primary, which a lone host
    /// may be without taking writes just now. Throws Error `cannot_connect` if there is none.
    boost::asio::awaitable<void> open_primary(std::string conninfo, Effect effect = Effect::writes,
                                              std::chrono::milliseconds timeout = default_timeout,
                                              std::string application_name = {});

    /// Runs one statement in a transaction of its own (unless one is open). Throws Error; after `refused` the
    /// connection goes on, after any other kind but `misused` it is closed. On timeout it is closed rather than
    /// cancelled, because libpq 15 can only cancel by blocking: give the server a statement_timeout below `timeout`.
    boost::asio::awaitable<Result> query(std::string sql, std::vector<Parameter> parameters = {},
                                         std::chrono::milliseconds timeout = default_timeout,
                                         Effect effect = Effect::writes);

    /// One call of the SQL API: `call("pdpp_run_status", arguments)` gives the jsonb as PostgreSQL prints it, or
    /// nothing for NULL. (gcc 12 wants the vector named: it cannot compile a braced list inside a co_await.)
    boost::asio::awaitable<std::optional<std::string>> call(std::string_view function, std::vector<Argument> arguments,
                                                            std::chrono::milliseconds timeout = default_timeout,
                                                            Effect effect = Effect::writes);

    /// The same, of a function that does not answer NULL.
    boost::asio::awaitable<std::string> body(std::string_view function, std::vector<Argument> arguments,
                                             std::chrono::milliseconds timeout = default_timeout,
                                             Effect effect = Effect::writes);

    /// One call of a function of the SQL API that returns a table.
    boost::asio::awaitable<Result> rows(std::string_view function, std::vector<Argument> arguments,
                                        std::chrono::milliseconds timeout = default_timeout,
                                        Effect effect = Effect::writes);

    /// One column of the same, by a statement that this connection prepares once: for what is called all the time.
    /// Where statements cannot be kept (a pooler in transaction mode) it is parsed each time, as with rows().
    boost::asio::awaitable<Result> prepared_column(std::string_view column, std::string_view function,
                                                   std::vector<Argument> arguments,
                                                   std::chrono::milliseconds timeout = default_timeout,
                                                   Effect effect = Effect::writes);

    /// The schema that the extension was installed in, as an identifier of SQL; empty if there is none.
    [[nodiscard]] const std::string& schema() const noexcept { return schema_; }

    /// Subscribes to a channel: its notifications then come out of notification().
    boost::asio::awaitable<void> listen(std::string channel, std::chrono::milliseconds timeout = default_timeout);

    /// The next notification, however long it takes. Cancelling the wait does the connection no harm.
    boost::asio::awaitable<Notification> notification();

    /// The next one, or nothing if none comes within `patience`.
    boost::asio::awaitable<std::optional<Notification>> notification_within(std::chrono::milliseconds patience);

    /// Asks what the server is now: a session that is idle does not hear of a change.
    boost::asio::awaitable<Standing> standing(std::chrono::milliseconds timeout = default_timeout);

    /// True if open and idle, and not known to be cut. Looks at what has already arrived on the socket, so that a
    /// connection the server has closed is noticed before anything is sent over it.
    [[nodiscard]] bool usable() const noexcept;

    /// Whether the server was a standby when it last answered: what is read there may be the past. A server that was
    /// promoted says so with the next answer (from PostgreSQL 14 on).
    [[nodiscard]] bool is_standby() const noexcept;

    /// Whether the server told with its last answer that it takes no writes (default_transaction_read_only, reported
    /// from PostgreSQL 14 on; before, as it was when the session began): how a primary is fenced off that is to be one
    /// no longer.
    [[nodiscard]] bool is_read_only() const noexcept;

    /// Whether the server has refused a write for that reason (25006), or because it is a standby.
    [[nodiscard]] bool has_refused_writes() const noexcept;

    /// The process of the server that served the session when it was opened.
    [[nodiscard]] int backend_pid() const noexcept { return backend_pid_; }

    /// Whether that is not the process that the connection was told of: there is a pooler between.
    [[nodiscard]] bool is_pooled() const noexcept;

    /// The role and the database that the session was opened for.
    [[nodiscard]] std::string role() const;
    [[nodiscard]] std::string database() const;

    /// The directory of the server's socket; empty if it is reached over the network.
    [[nodiscard]] std::string socket_directory() const;

    /// As an identifier and as a literal of SQL.
    [[nodiscard]] std::string identifier(std::string_view name) const;
    [[nodiscard]] std::string literal(std::string_view text) const;

    /// Where the server is, as libpq puts it: `server at "db1", port 5432`.
    [[nodiscard]] std::string place() const;

    /// Closes at once; an operation that waits on the connection fails.
    void close() noexcept;

    /// Closes, and gives what to throw where an answer is somebody else's: a write may have committed all the same.
    /// Whoever mixes up answers (a pooler between) is not to be asked again over this connection.
    Error answered_otherwise(Effect effect);

  private:
    struct Wire;
    class Busy;

    boost::asio::awaitable<void> open_one(std::string conninfo, std::chrono::milliseconds timeout,
                                          std::string application_name, Extension extension);
    boost::asio::awaitable<Result> run(std::string sql, std::vector<Parameter> parameters, Effect effect);
    boost::asio::awaitable<Result> run_prepared(std::string sql, std::vector<Parameter> parameters, Effect effect);
    boost::asio::awaitable<Result> answer(Effect effect);
    std::string call_of(std::string_view columns, std::string_view function, std::vector<Argument> arguments,
                        std::vector<Parameter>& parameters);

    std::shared_ptr<Wire> wire_;
    std::string schema_; ///< quoted where SQL needs it
    bool opened_on_standby_ = false;
    bool opened_read_only_ = false;
    int backend_pid_ = 0;
    std::map<std::string, std::string> prepared_; ///< names by statement
    bool keeps_statements_ = true;
    bool listens_ = false;
};

} // namespace pdpp::pq
