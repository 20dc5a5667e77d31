#pragma once
// What a launcher has to be watched for, for those who scrape: a file in Prometheus's text format, for the textfile
// collector of node_exporter. A launcher listens nowhere.

#include <cstddef>
#include <string>

namespace pdpp::cli {

class MetricsFile {
  public:
    /// Writes the file, with no ending that waits. An empty path is none. Throws Failure where it cannot be written.
    MetricsFile(std::string path, std::string controller_id);

    /// So many endings wait for the database to take them. A file that cannot be written now is logged.
    void set_endings_waiting(std::size_t endings) const;

  private:
    /// In one step, so that whoever reads sees all of it. Why that failed; empty if it did not.
    [[nodiscard]] std::string write(std::size_t endings) const;

    std::string path_;
    std::string controller_id_;
};

} // namespace pdpp::cli
