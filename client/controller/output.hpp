#pragma once
// Where a connector's own output goes: whatever it prints that is not for the database.

#include <boost/asio/awaitable.hpp>

#include <string_view>

namespace pdpp::controller {

class Output {
  public:
    Output() = default;
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    virtual ~Output() = default;

    virtual void write(std::string_view bytes) = 0;

    /// Returns when little enough waits that more should be written: what keeps a fast child at the reader's pace.
    virtual boost::asio::awaitable<void> room() = 0;

    /// From now on room() always returns at once. For the rest of a child's output, which is bounded by its pipe.
    virtual void lift_limit() = 0;
};

} // namespace pdpp::controller
