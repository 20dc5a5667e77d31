#pragma once
// Reads where there may be several servers. A standby may lag behind, so that what it says is the past: a handle that
// it does not know may have been acknowledged, a run that it calls active may have ended. What it says is believed only
// if it will never be otherwise: how a run ended. All else is asked of the primary.

#include "pq/connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

/// Whether a body will never be another. None is of that kind if it is empty.
using Finality = std::function<bool(std::string_view body)>;

struct Answer {
    std::string body;
    bool from_standby = false; ///< what is not final may be the past
};

/// Whether to believe it.
bool is_present(const Answer& answer, const Finality& is_final);

/// Nobody is there who could say what is the case now: the only server is a standby.
Error no_primary();

/// The answer of a standby if it is to be believed, else that of the primary, which says no_primary() itself if it
/// turns out to be none. A standby that took all the time there was is not made up for: Error `timeout`.
boost::asio::awaitable<Answer> read_of_either(std::function<boost::asio::awaitable<Answer>()> standby,
                                              std::function<boost::asio::awaitable<Answer>()> primary,
                                              Finality is_final);

/// Such reads over connections of its own, which are made when they are needed: to a standby where there are several
/// hosts, and to the primary. Once there is one to the primary, all is asked of that.
class Reads {
  public:
    /// Run on each new connection to the primary (or to the only host, whatever that is).
    using Prepare = std::function<boost::asio::awaitable<void>(Connection&)>;

    Reads(const boost::asio::any_io_executor& executor, std::string conninfo, Prepare prepare = {});

    /// A read of the SQL API. Throws Error; `cannot_connect`, which names the hosts, if only standbys can be reached
    /// and they cannot tell.
    boost::asio::awaitable<std::string> read(std::string_view function, std::vector<Argument> arguments,
                                             Finality is_final);

    /// The connection to the primary, which may be closed.
    Connection& primary() noexcept { return primary_; }

    /// No other server can be asked.
    [[nodiscard]] bool has_one_host() const noexcept { return !names_several_; }

  private:
    boost::asio::awaitable<Answer> ask(Connection& connection, std::string_view function,
                                       std::vector<Argument> arguments) const;
    boost::asio::awaitable<Answer> ask_standby(std::string_view function, std::vector<Argument> arguments);
    boost::asio::awaitable<Answer> ask_primary(std::string_view function, std::vector<Argument> arguments,
                                               Finality is_final);

    std::string conninfo_;
    Prepare prepare_;
    bool names_several_;
    bool begins_elsewhere_; ///< a standby is asked first
    Connection standby_;
    Connection primary_;
};

} // namespace pdpp::pq
