#pragma once
// A connector's output in the controller's log: one line of it is one line there, under its run's name, made harmless
// and not too long; or nowhere at all.

#include "controller/connector_output.hpp"
#include "controller/output.hpp"

#include <string>
#include <string_view>

namespace pdpp::controller {

class OutputLog : public Output {
  public:
    /// `stream` is `stdout` or `stderr`. With `shown` false everything is dropped.
    OutputLog(std::string run_id, std::string_view stream, bool shown);
    ~OutputLog() override;
    OutputLog(const OutputLog&) = delete;
    OutputLog& operator=(const OutputLog&) = delete;

    void write(std::string_view bytes) override;
    boost::asio::awaitable<void> room() override;
    void lift_limit() override {}

  private:
    void log(const Line& line) const;

    std::string run_id_;
    std::string_view stream_;
    std::string label_;
    bool shown_;
    LineSplitter lines_;
};

} // namespace pdpp::controller
