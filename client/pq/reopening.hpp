#pragma once
// Calls over one connection to the primary, which is made when it is first needed, and made again when it is lost or
// the server takes no writes any more.

#include "pq/write.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <string>

namespace pdpp::pq {

class Reopening : public Caller {
  public:
    /// As Connection::open takes them.
    Reopening(const boost::asio::any_io_executor& executor, std::string conninfo, std::string application_name = {});

    boost::asio::awaitable<std::string> call(std::string_view function, std::vector<Argument> arguments,
                                             std::chrono::milliseconds timeout, Effect effect) override;

    /// Until the next call.
    void close() noexcept { connection_.close(); }

  private:
    std::string conninfo_;
    std::string application_name_;
    Connection connection_;
};

} // namespace pdpp::pq
