#pragma once
// Writes whose answer may get lost. A connection that breaks at COMMIT leaves its client in doubt: the write may have
// happened or not. Here the truth is found out, by making the very same call again over a new connection, which the
// server serialises behind the unfinished one; nothing is ever written twice. A call that was refused is not repeated.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

/// Makes calls of the SQL API, each over a connection that works just then: a pool, or a connection that is opened
/// anew.
class Caller {
  public:
    Caller() = default;
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    virtual ~Caller() = default;

    /// As Connection::call, of a function that does not answer NULL.
    virtual boost::asio::awaitable<std::string> call(std::string_view function, std::vector<Argument> arguments,
                                                     std::chrono::milliseconds timeout, Effect effect) = 0;
};

struct Patience {
    std::chrono::milliseconds call = default_timeout;          ///< for an answer
    std::chrono::milliseconds doubt = std::chrono::seconds(5); ///< for the truth, once an answer is lost
};

/// What a write is known by, however it went.
struct WriteIds {
    std::optional<std::string> run_id;
    std::optional<std::string> trace_id;
    std::optional<std::string> idempotency_key;
};

/// The truth could not be learned in time: the kind is `in_doubt`.
class InDoubt : public Error {
  public:
    explicit InDoubt(WriteIds ids);

    [[nodiscard]] const WriteIds& ids() const noexcept { return ids_; }

  private:
    WriteIds ids_;
};

/// Admits a run by one of the functions that return an acknowledgement, and returns it once the admission is known to
/// have committed. A run id and a trace id are made here where `arguments` bring none, so that an admission whose
/// answer is lost can be recognised; with an idempotency key the key does that, and the run id is left to the server.
/// Throws InDoubt, and what the call throws.
boost::asio::awaitable<std::string> admit(Caller& caller, std::string_view function, std::vector<Argument> arguments,
                                          Patience patience);

/// Makes a write that may be made again without harm, such as a cancel request, until its answer is known. Throws
/// InDoubt, and what the call throws.
boost::asio::awaitable<std::string> write_again_until_known(Caller& caller, std::string_view function,
                                                            std::vector<Argument> arguments, Patience patience);

/// The acknowledgement of an admission, as PostgreSQL prints it.
std::string acknowledgement(std::string_view run_id, std::string_view trace_id,
                            const std::optional<std::string>& retry_of = {});

/// What a call is given under this name.
std::optional<std::string> value_of(const std::vector<Argument>& arguments, std::string_view name);

} // namespace pdpp::pq
