#pragma once
// Where the server behind is, by the system's resolver: which takes its time, and cannot be told to stop.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace pdpp::http {

class NameLookup {
  public:
    using Endpoints = boost::asio::ip::tcp::resolver::results_type;

    struct Answer {
        boost::system::error_code failure;
        Endpoints endpoints;
    };

    /// Of an address too: it leads to itself.
    NameLookup(boost::asio::any_io_executor executor, std::string host, std::string port);

    /// Asks anew, but while a question is out: whoever asks meanwhile is given its answer, so that a resolver that is
    /// stuck holds one thread, however many ask. asio::error::timed_out if there is none by `latest`.
    boost::asio::awaitable<Answer> answer(std::chrono::steady_clock::time_point latest);

  private:
    struct Question;

    std::shared_ptr<Question> ask();

    boost::asio::any_io_executor executor_;
    std::string host_;
    std::string port_;
    std::weak_ptr<Question> asked_; ///< the last one; gone when it is answered, and nobody waits
};

} // namespace pdpp::http
