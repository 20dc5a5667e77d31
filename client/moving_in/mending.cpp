#include "moving_in/mending.hpp"

#include "moving_in/data.hpp"
#include "moving_in/instant.hpp"
#include "moving_in/row_text.hpp"
#include "moving_in/shape.hpp"
#include "pq/sha256.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "run/timeline.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <unordered_set>
#include <utility>

namespace pdpp::moving_in {

namespace {

constexpr std::size_t digest_bytes = 16;

std::string digest_of(std::string_view text) {
    std::string hex;
    const auto digest = pq::sha256(text);
    for (std::size_t i = 0; i < digest_bytes; ++i) {
        hex += fmt::format("{:02x}", digest[i]);
    }
    return hex;
}

/// A row is the same row when its server has given it a number.
std::string digest_of(const Row& row) {
    std::string text;
    for (std::size_t column = 0; column < row.size(); ++column) {
        if (column != event_column::event_seq) {
            text += row[column] ? fmt::format("{}:{}", row[column]->size(), *row[column]) : "-";
        }
    }
    return digest_of(text);
}

/// Whether a column holds what no timeline shows.
bool is_credential(TableId id, std::size_t column, const Row& row) {
    return id == TableId::events &&
           (column == event_column::token_id ||
            (column == event_column::object_id && run::redacted_object_id(text_in(row, event_column::object_type))));
}

/// What is wrong with the texts of a row, and what they were.
class Faults {
  public:
    void add(TableId id, std::size_t column, const Row& row, std::string_view reason) {
        const auto name = table(id).columns[column].name;
        if (const auto& was = row[column]; was && !is_credential(id, column, row)) {
            kept_ += fmt::format("{}\"{}\": {}", kept_.empty() ? "" : ", ", name,
                                 json_string(is_storable(*was) ? *was : printable(*was)));
        }
        reasons_ += fmt::format("{}{}", reasons_.empty() ? "" : "; ", reason);
    }

    [[nodiscard]] bool any() const { return !reasons_.empty(); }
    [[nodiscard]] const std::string& reasons() const { return reasons_; }
    /// As a member of the data.
    [[nodiscard]] std::string kept() const {
        return kept_.empty() ? std::string() : fmt::format(R"("imported_columns": {{{}}})", kept_);
    }

  private:
    std::string kept_;
    std::string reasons_;
};

std::string_view fault_of_text(std::string_view text) {
    return text.find('\0') != std::string_view::npos ? "NUL in a text" : "a text that is no UTF-8";
}

void mend_texts(TableId id, Row& row, std::initializer_list<std::size_t> left_alone, Faults& faults) {
    for (std::size_t column = 0; column < row.size(); ++column) {
        if (row[column] && !is_storable(*row[column]) && std::ranges::find(left_alone, column) == left_alone.end()) {
            faults.add(id, column, row, fault_of_text(*row[column]));
            row[column] = storable(*row[column], std::string_view::npos);
        }
    }
}

void mend_ids(TableId id, Row& row, std::initializer_list<std::size_t> columns, Faults& faults) {
    for (const auto column : columns) {
        if (row[column] && row[column]->size() > run::max_id_bytes) {
            faults.add(id, column, row, fmt::format("{} must have 1 to 256 bytes", table(id).columns[column].name));
            row[column] = fit_id(*row[column]);
        }
    }
}

/// The form of ids that our own events have, whether the run keeps its id or is one beside another.
bool has_our_form(std::string_view event_id, std::string_view run_id) {
    return run::event_seq_in(event_id, run_id) || event_id.starts_with(fmt::format("evt_{}~", run_id));
}

/// Why an event cannot be known by such an id; empty if it can.
std::string_view fault_of_event_id(std::string_view event_id, std::string_view run_id) {
    if (event_id.empty() || event_id.size() > run::max_id_bytes) {
        return "event_id must have 1 to 256 bytes";
    }
    if (!is_storable(event_id)) {
        return fault_of_text(event_id);
    }
    return has_our_form(event_id, run_id) ? "event_id has the form of those that this database makes"
                                          : std::string_view();
}

void mend_event_id(const SourceRun& source, Row& row, std::unordered_set<std::string>& ids, Faults& faults) {
    auto& event_id = row[event_column::event_id];
    const auto text = text_in(row, event_column::event_id);
    if (const auto fault = fault_of_event_id(text, source.run_id); !fault.empty()) {
        faults.add(TableId::events, event_column::event_id, row, fault);
        event_id = "evt_imported_" + (text.empty() ? digest_of(row) : digest_of(text));
    }
    if (ids.contains(*event_id)) { // a view has no key
        faults.add(TableId::events, event_column::event_id, row, "event_id is there twice");
    }
    while (!ids.insert(*event_id).second) {
        event_id = "evt_imported_" + digest_of(row);
    }
}

void mend_event_type(Row& row, Faults& faults) {
    auto& event_type = row[event_column::event_type];
    if (text_in(row, event_column::event_type).empty()) {
        faults.add(TableId::events, event_column::event_type, row, "no event_type");
        event_type = untyped_event;
    } else if (!is_storable(*event_type)) {
        faults.add(TableId::events, event_column::event_type, row, fault_of_text(*event_type));
        event_type = untyped_event;
    }
}

/// Its server says of no other event that it is of an admission here.
void mend_source_kind(Row& row, Faults& faults) {
    auto& kind = row[event_column::source_kind];
    if (kind == run::retried_run || kind == run::imported) {
        faults.add(TableId::events, event_column::source_kind, row, "source_kind is one of this database's own");
        kind.reset();
    }
}

/// A time near to that of an event that has none.
std::int64_t time_near(const SourceRun& source, std::size_t place, std::int64_t otherwise) {
    const auto either = [](const Row& row) {
        const auto recorded = instant_in(row, event_column::recorded_at);
        return recorded ? recorded : instant_in(row, event_column::occurred_at);
    };
    for (std::size_t before = place; before-- > 0;) {
        if (const auto at = either(source.events[before])) {
            return *at;
        }
    }
    for (std::size_t behind = place + 1; behind < source.events.size(); ++behind) {
        if (const auto at = either(source.events[behind])) {
            return *at;
        }
    }
    for (const auto& [rows, column] : {std::pair{&source.flights, std::size_t{flight_column::started_at}},
                                       std::pair{&source.receipts, std::size_t{receipt_column::started_at}},
                                       std::pair{&source.history, std::size_t{history_column::started_at}}}) {
        for (const Row& row : *rows) {
            if (const auto at = instant_in(row, column)) {
                return *at;
            }
        }
    }
    return otherwise;
}

void mend_times(SourceRun& source, std::size_t place, const Rules& rules, Faults& faults) {
    Row& row = source.events[place];
    const std::array times{instant_in(row, event_column::occurred_at), instant_in(row, event_column::recorded_at)};
    if (times[0] && times[1]) {
        return;
    }
    const auto near = times[0] ? *times[0] : times[1] ? *times[1] : time_near(source, place, rules.now);
    for (const auto column : {event_column::occurred_at, event_column::recorded_at}) {
        if (!instant_in(row, column)) {
            faults.add(TableId::events, column, row,
                       fmt::format("{} is no time: {}", table(TableId::events).columns[column].name,
                                   printable(text_in(row, column))));
            row[column] = instant_text(near);
        }
    }
}

void mend_event(SourceRun& source, std::size_t place, const Rules& rules, std::unordered_set<std::string>& ids,
                Findings& findings) {
    Row& row = source.events[place];
    Faults faults;
    const auto told = storable(text_in(row, event_column::event_id), std::string_view::npos);
    mend_event_id(source, row, ids, faults);
    mend_event_type(row, faults);
    mend_times(source, place, rules, faults);
    mend_texts(TableId::events, row, {event_column::data_json}, faults);
    mend_ids(TableId::events, row, {event_column::actor_id, event_column::connector_instance_id}, faults);
    mend_source_kind(row, faults);
    auto data = fit_data(text_in(row, event_column::data_json), rules.origin);
    if (faults.any()) {
        if (const auto kept = faults.kept(); !kept.empty()) {
            data = with_members(data, kept);
        }
        findings.add({.kind = finding::not_taken,
                      .run_id = source.run_id,
                      .more = {{"table", "spine_events"},
                               {"row", told},
                               {"reason", faults.reasons()},
                               {"kept_as", *row[event_column::event_type]}}});
    }
    row[event_column::data_json] = std::move(data);
}

void mend_handles(const SourceRun& source, TableId id, std::vector<Row>& rows, std::initializer_list<std::size_t> ids,
                  Findings& findings) {
    for (Row& row : rows) {
        Faults faults;
        mend_texts(id, row, {}, faults);
        mend_ids(id, row, ids, faults);
        if (faults.any()) {
            findings.add({.kind = finding::not_taken,
                          .run_id = source.run_id,
                          .more = {{"table", table(id).name}, {"row", source.run_id}, {"reason", faults.reasons()}}});
        }
    }
}

} // namespace

std::string fit_id(std::string_view id) {
    auto whole = storable(id, std::string_view::npos);
    if (whole.size() <= run::max_id_bytes) {
        return whole;
    }
    auto cut = run::max_id_bytes - 2 * digest_bytes - 1;
    while (cut > 0 && (static_cast<unsigned char>(whole[cut]) & 0xC0U) == 0x80U) { // within a character
        --cut;
    }
    return whole.substr(0, cut) + "~" + digest_of(id);
}

void mend(SourceRun& source, const Rules& rules, Findings& findings) {
    if (!is_storable(source.run_id) || !run::may_be_known(source.run_id)) {
        return; // nobody can ask for it here
    }
    std::unordered_set<std::string> ids;
    for (std::size_t place = 0; place < source.events.size(); ++place) {
        mend_event(source, place, rules, ids, findings);
    }
    mend_handles(source, TableId::flights, source.flights,
                 {flight_column::connector_instance_id, flight_column::connector_id}, findings);
    mend_handles(source, TableId::history, source.history,
                 {history_column::connector_instance_id, history_column::connector_id}, findings);
    mend_handles(source, TableId::receipts, source.receipts,
                 {receipt_column::connector_instance_id, receipt_column::connector_id}, findings);
}

} // namespace pdpp::moving_in
