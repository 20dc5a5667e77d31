#include "cli/metrics_file.hpp"

#include "cli/command.hpp"
#include "log/log.hpp"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>
#include <utility>

namespace pdpp::cli {

MetricsFile::MetricsFile(std::string path, std::string controller_id)
    : path_(std::move(path)), controller_id_(std::move(controller_id)) {
    if (auto failure = write(0); !failure.empty()) {
        throw Failure{exit_code::usage,
                      "usage",
                      std::move(failure),
                      "Give --metrics-file a file in a folder that you may write to.",
                      {}};
    }
}

void MetricsFile::set_endings_waiting(std::size_t endings) const {
    if (const auto failure = write(endings); !failure.empty()) {
        log::write(log::Level::warning, "{}", failure);
    }
}

std::string MetricsFile::write(std::size_t endings) const {
    if (path_.empty()) {
        return {};
    }
    prometheus::Registry registry;
    prometheus::BuildGauge()
        .Name("pdpp_launcher_endings_waiting")
        .Help("Endings of runs that the database has not taken yet.")
        .Register(registry)
        .Add({{"controller_id", controller_id_}})
        .Set(static_cast<double>(endings));
    const auto beside = path_ + ".new"; // no name that the collector reads
    errno = 0;
    std::ofstream file(beside, std::ios::trunc);
    file << prometheus::TextSerializer().Serialize(registry.Collect());
    file.close();
    if (!file || std::rename(beside.c_str(), path_.c_str()) != 0) {
        return fmt::format("cannot write {}: {}", path_, std::generic_category().message(errno));
    }
    return {};
}

} // namespace pdpp::cli
