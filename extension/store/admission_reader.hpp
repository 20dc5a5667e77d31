#pragma once
// What several runs were admitted with, read in one go along the index.

#include "pg.hpp"
#include "store/catalogue.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

/// Runs that were admitted one after the other have ids that lie side by side in the index: those that are asked for in
/// the order of their bytes are found without descending it for each.
class AdmissionReader {
  public:
    void open();

    /// As admission_data() does; copied.
    Jsonb* data_of(std::string_view run_id);

    void close();

  private:
    void step();

    Relation table_ = nullptr;
    SpineEntry spine_{};
    Snapshot snapshot_ = nullptr;
    Relation index_ = nullptr; ///< null: it is not as we know it
    IndexScanDesc scan_ = nullptr;
    TupleTableSlot* slot_ = nullptr;
    std::optional<std::string_view> at_; ///< the run of the entry that the scan has come to
};

} // namespace pdpp::store
