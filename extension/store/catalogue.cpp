#include "store/catalogue.hpp"

#include "boundary.hpp"
#include "run/event.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace pdpp::store {

namespace {

Catalogue known;
std::uint64_t changes = 1;  ///< announced so far
std::uint64_t known_at = 0; ///< the count that `known` was looked up at
bool looking = false;       ///< while it is, every change counts: the relations to come have no name here yet

/// DROP EXTENSION, REINDEX CONCURRENTLY and ALTER TABLE in any session announce the relations they touch; ALTER INDEX
/// RENAME the index alone. One that is not used has no name here, so while there is such a one every change counts.
void on_relation_change(Datum /*argument*/, Oid relation) {
    const Oid retry_index = known.spine.has_retries ? known.spine.retry_index : known.spine.table;
    const Oid offered_index = known.flight.has_offers() ? known.flight.offered_index : known.flight.table;
    const std::array of_ours{known.spine.table,
                             known.spine.primary_key,
                             known.spine.lifecycle_index,
                             known.flight.table,
                             known.flight.primary_key,
                             known.flight.run_id_index,
                             known.connections.table,
                             known.connections.primary_key,
                             retry_index,
                             offered_index};
    if (looking || relation == InvalidOid ||
        std::ranges::any_of(of_ours, [relation](Oid each) { return each == relation || each == InvalidOid; })) {
        ++changes;
    }
}

Oid schema_of_extension() {
    const Oid extension = get_extension_oid("pdpp", true);
    const Oid schema = OidIsValid(extension) ? get_namespace_oid("pdpp", true) : InvalidOid;
    if (!OidIsValid(schema) || getExtensionOfObject(NamespaceRelationId, schema) != extension) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension pdpp is not installed in this database"),
                        errhint("Run CREATE EXTENSION pdpp.")));
    }
    return schema;
}

AttrNumber column_of(Oid table, const char* name) {
    const AttrNumber column = get_attnum(table, name);
    if (column == InvalidAttrNumber) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("a pdpp table lacks the column %s", name),
                        errhint("The library and the extension's SQL may be of different versions: run "
                                "ALTER EXTENSION pdpp UPDATE.")));
    }
    return column;
}

/// A column that we know, and where its number is kept; no place for those that are never touched.
template <typename Entry>
struct Column { // NOLINT(clang-analyzer-optin.performance.Padding): in the order in which they are written below
    const char* name;
    Oid type;
    bool not_null;
    AttrNumber Entry::*number = nullptr;
    bool is_read = false;  ///< directly
    bool is_later = false; ///< came with a later version of the SQL: this database may not have it yet
};

constexpr Column<SpineEntry> columns_of_spine[] = {
    {"run_id", TEXTOID, true, &SpineEntry::run_id, true},
    {"event_seq", INT8OID, true, &SpineEntry::event_seq, true},
    {"event_id", TEXTOID, true, &SpineEntry::event_id, true},
    {"event_type", TEXTOID, true, &SpineEntry::event_type, true},
    {"occurred_at", TIMESTAMPTZOID, true, &SpineEntry::occurred_at, true},
    {"recorded_at", TIMESTAMPTZOID, true, &SpineEntry::recorded_at},
    {"admitted_at", TIMESTAMPTZOID, false, &SpineEntry::admitted_at, true},
    {"trace_id", TEXTOID, false, &SpineEntry::trace_id, true},
    {"scenario_id", TEXTOID, false, &SpineEntry::scenario_id, true},
    {"actor_type", TEXTOID, false},
    {"actor_id", TEXTOID, false, &SpineEntry::actor_id, true},
    {"subject_type", TEXTOID, false},
    {"subject_id", TEXTOID, false},
    {"object_type", TEXTOID, false},
    {"object_id", TEXTOID, false},
    {"status", TEXTOID, false, &SpineEntry::status},
    {"request_id", TEXTOID, false},
    {"grant_id", TEXTOID, false},
    {"source_kind", TEXTOID, false, &SpineEntry::source_kind, true},
    {"source_id", TEXTOID, false, &SpineEntry::source_id, true},
    {"client_id", TEXTOID, false},
    {"stream_id", TEXTOID, false},
    {"token_id", TEXTOID, false},
    {"interaction_id", TEXTOID, false},
    {"connector_instance_id", TEXTOID, false, &SpineEntry::connector_instance_id, true},
    {"data_json", JSONBOID, true, &SpineEntry::data_json, true},
    {"version", TEXTOID, false},
};

constexpr Column<FlightEntry> columns_of_flight[] = {
    {"connector_instance_id", TEXTOID, true, &FlightEntry::connector_instance_id, true},
    {"connector_id", TEXTOID, true, &FlightEntry::connector_id, true},
    {"run_id", TEXTOID, true, &FlightEntry::run_id, true},
    {"trace_id", TEXTOID, true, &FlightEntry::trace_id, true},
    {"scenario_id", TEXTOID, false, &FlightEntry::scenario_id, true},
    {"started_at", TIMESTAMPTZOID, true, &FlightEntry::started_at, true},
    {"run_generation", INT8OID, true, &FlightEntry::run_generation, true},
    {"boot_epoch", UUIDOID, false, &FlightEntry::boot_epoch, true},
    {"launch_deadline", TIMESTAMPTZOID, false, &FlightEntry::launch_deadline, true},
    {"cancel_requested_at", TIMESTAMPTZOID, false, &FlightEntry::cancel_requested_at, true},
    {"cancel_requested_by", TEXTOID, false},
    {"deadline_at", TIMESTAMPTZOID, false, &FlightEntry::deadline_at, true, true},
    {"deadline_set_at", TIMESTAMPTZOID, false, &FlightEntry::deadline_set_at, true, true},
    {"offered_by", UUIDOID, false, &FlightEntry::offered_by, true, true},
};

constexpr Column<ConnectionEntry> columns_of_connections[] = {
    {"connector_instance_id", TEXTOID, true, &ConnectionEntry::connector_instance_id, true, true},
};

const FormData_pg_attribute& attribute(Relation table, AttrNumber number) {
    return *TupleDescAttr(RelationGetDescr(table), number - 1);
}

/// The numbers of the columns, and the first of those that are read whose type we do not know.
template <typename Entry, std::size_t Count>
void find_columns(Relation table, const Column<Entry> (&columns)[Count], Entry& entry) {
    entry.unreadable = {};
    for (const Column<Entry>& column : columns) {
        if (column.number == nullptr) {
            continue;
        }
        const Oid oid = RelationGetRelid(table);
        const AttrNumber number = column.is_later ? get_attnum(oid, column.name) : column_of(oid, column.name);
        entry.*column.number = number;
        if (number != InvalidAttrNumber && column.is_read && entry.unreadable.column == nullptr &&
            !is_read_as(attribute(table, number).atttypid, column.type)) {
            entry.unreadable = {.column = column.name, .expected = column.type};
        }
    }
}

/// The operands of an expression that calls this operator or function of the server's; none for any other.
std::span<const ListCell> operands(const void* node, Oid function) {
    const List* found = NIL;
    if (IsA(node, OpExpr)) {
        const auto* expression = static_cast<const OpExpr*>(node);
        found = expression->opfuncid == function ? expression->args : NIL;
    } else if (IsA(node, FuncExpr)) {
        const auto* expression = static_cast<const FuncExpr*>(node);
        found = expression->funcid == function ? expression->args : NIL;
    }
    return {found == NIL ? nullptr : found->elements, static_cast<std::size_t>(list_length(found))};
}

bool is_column(const void* node, AttrNumber number) {
    return IsA(node, Var) && static_cast<const Var*>(node)->varattno == number;
}

const Const* constant_of(const void* node, Oid type) {
    const auto* constant = static_cast<const Const*>(node);
    return IsA(node, Const) && constant->consttype == type && !constant->constisnull ? constant : nullptr;
}

/// `event_seq > 0`. Looked at as the server keeps it: what it prints follows the settings of whoever asks, and is
/// remembered.
bool is_positive(const void* node, AttrNumber column) {
    const auto greater = operands(node, F_INT84GT);
    const Const* number = greater.size() == 2 ? constant_of(lfirst(&greater[1]), INT4OID) : nullptr;
    return number != nullptr && is_column(lfirst(&greater[0]), column) && DatumGetInt32(number->constvalue) == 0;
}

/// `jsonb_typeof(data_json) = 'object'`.
bool is_object(const void* node, AttrNumber column) {
    const auto equal = operands(node, F_TEXTEQ);
    const Const* word = equal.size() == 2 ? constant_of(lfirst(&equal[1]), TEXTOID) : nullptr;
    if (word == nullptr || text_view(word->constvalue) != "object") {
        return false;
    }
    const auto type = operands(lfirst(&equal[0]), F_JSONB_TYPEOF);
    return type.size() == 1 && is_column(lfirst(&type[0]), column);
}

/// Whether the checks of the spine are its two, which every event of ours satisfies.
bool has_own_checks(const TupleConstr* constraints, const SpineEntry& entry) {
    if (constraints->num_check != 2) {
        return false;
    }
    const void* one = stringToNode(constraints->check[0].ccbin);
    const void* other = stringToNode(constraints->check[1].ccbin);
    return (is_positive(one, entry.event_seq) && is_object(other, entry.data_json)) ||
           (is_positive(other, entry.event_seq) && is_object(one, entry.data_json));
}

std::span<const Trigger> triggers_of(Relation table) {
    if (table->trigdesc == nullptr) {
        return {};
    }
    return {table->trigdesc->triggers, static_cast<std::size_t>(table->trigdesc->numtriggers)};
}

/// Whether statements on the table do something else, or to other tables as well, than what they say.
bool has_rules(Relation table) {
    return table->rd_rules != nullptr || table->rd_rel->relrowsecurity || table->rd_rel->relispartition ||
           table->rd_rel->relhassubclass;
}

/// Whether an INSERT of ours would do nothing but put the row there and into the indexes, but for what CHECK
/// constraints say. The one column that may have a default is one that we always give.
template <typename Entry, std::size_t Count>
bool is_plain_insert(Relation table, const Column<Entry> (&columns)[Count], int places, AttrNumber given) {
    TupleDesc row = RelationGetDescr(table);
    const bool runs_something = has_rules(table) || std::ranges::any_of(triggers_of(table), [](const Trigger& trigger) {
                                    return TRIGGER_FOR_INSERT(trigger.tgtype);
                                });
    if (runs_something || row->natts > places || row->constr == nullptr) {
        return false;
    }
    int kept = 0;
    for (int number = 1; number <= row->natts; ++number) {
        kept += attribute(table, static_cast<AttrNumber>(number)).attisdropped ? 0 : 1;
    }
    if (kept != Count) {
        return false;
    }
    return std::ranges::all_of(columns, [table, given](const Column<Entry>& column) {
        const AttrNumber number = get_attnum(RelationGetRelid(table), column.name);
        if (number == InvalidAttrNumber) {
            return false;
        }
        const FormData_pg_attribute& found = attribute(table, number);
        return found.atttypid == column.type && found.atttypmod == -1 && found.attnotnull == column.not_null &&
               found.attgenerated == '\0' && found.attidentity == '\0' && (!found.atthasdef || number == given);
    });
}

/// `event_type in (…)` with every type of the lifecycle.
bool holds_lifecycle(Relation index, AttrNumber event_type) {
    const List* predicate = RelationGetIndexPredicate(index);
    if (list_length(predicate) != 1 || !IsA(linitial(predicate), ScalarArrayOpExpr)) {
        return false;
    }
    const auto* in = static_cast<const ScalarArrayOpExpr*>(linitial(predicate));
    const auto* column = static_cast<const Var*>(linitial(in->args));
    const auto* list = static_cast<const Const*>(lsecond(in->args));
    if (!in->useOr || in->opfuncid != F_TEXTEQ || !IsA(column, Var) || column->varattno != event_type ||
        !IsA(list, Const) || list->constisnull || list->consttype != TEXTARRAYOID) {
        return false;
    }
    Datum* words = nullptr;
    bool* nulls = nullptr;
    int count = 0;
    deconstruct_array(DatumGetArrayTypeP(list->constvalue), TEXTOID, -1, false, TYPALIGN_INT, &words, &nulls, &count);
    int found = 0;
    for (int i = 0; i < count; ++i) {
        found += !nulls[i] && run::phase_of(text_view(words[i])) ? 1 : 0;
    }
    return found == run::lifecycle_event_types;
}

/// `source_kind = 'retried_run'`, and the order of those that repeat one run: that of their admissions.
bool holds_retries(Relation index, const SpineEntry& spine) {
    const List* predicate = RelationGetIndexPredicate(index);
    if (list_length(predicate) != 1) {
        return false;
    }
    const auto equal = operands(linitial(predicate), F_TEXTEQ);
    const Const* word = equal.size() == 2 ? constant_of(lfirst(&equal[1]), TEXTOID) : nullptr;
    const FormData_pg_index& is = *index->rd_index;
    return word != nullptr && text_view(word->constvalue) == run::retried_run &&
           is_column(lfirst(&equal[0]), spine.source_kind) && is.indnkeyatts == 3 &&
           is.indkey.values[1] == spine.admitted_at && is.indkey.values[2] == spine.run_id &&
           index->rd_opfamily[1] == get_opclass_family(GetDefaultOpClass(TIMESTAMPTZOID, BTREE_AM_OID)) &&
           index->rd_opfamily[2] == TEXT_BTREE_FAM_OID && index->rd_indcollation[2] == C_COLLATION_OID &&
           index->rd_indoption[0] == 0 && index->rd_indoption[1] == 0 && index->rd_indoption[2] == 0;
}

/// The order of the runs that a boot offers: that of their admissions.
bool holds_offered(Relation index, const FlightEntry& flight) {
    const List* predicate = RelationGetIndexPredicate(index);
    const auto* offered = list_length(predicate) == 1 && IsA(linitial(predicate), NullTest)
                              ? static_cast<const NullTest*>(linitial(predicate))
                              : nullptr;
    const FormData_pg_index& is = *index->rd_index;
    return (predicate == NIL || (offered != nullptr && offered->nulltesttype == IS_NOT_NULL &&
                                 is_column(offered->arg, flight.offered_by))) &&
           is.indnkeyatts >= 2 && is.indkey.values[0] == flight.offered_by &&
           is.indkey.values[1] == flight.started_at &&
           index->rd_opfamily[0] == get_opclass_family(GetDefaultOpClass(UUIDOID, BTREE_AM_OID)) &&
           index->rd_opfamily[1] == get_opclass_family(GetDefaultOpClass(TIMESTAMPTZOID, BTREE_AM_OID)) &&
           index->rd_opcintype[0] == UUIDOID && index->rd_opcintype[1] == TIMESTAMPTZOID && index->rd_indoption[1] == 0;
}

/// Whether an UPDATE of this column, to null or a value, would do nothing but put a new version there and into B-trees.
bool is_plain_update(Relation table, AttrNumber column, Oid type) {
    const TupleConstr* constraints = RelationGetDescr(table)->constr;
    if (column == InvalidAttrNumber || attribute(table, column).atttypid != type ||
        attribute(table, column).attnotnull || has_rules(table) ||
        (constraints != nullptr && (constraints->num_check > 0 || pg::has_generated(*constraints)))) {
        return false;
    }
    const bool runs_something = std::ranges::any_of(triggers_of(table), [column](const Trigger& trigger) {
        const std::span of{trigger.tgattr, static_cast<std::size_t>(trigger.tgnattr)};
        return TRIGGER_FOR_UPDATE(trigger.tgtype) && (of.empty() || std::ranges::find(of, column) != of.end());
    });
    if (runs_something) {
        return false;
    }
    const List* indexes = RelationGetIndexList(table);
    const std::span cells{indexes == NIL ? nullptr : indexes->elements, static_cast<std::size_t>(list_length(indexes))};
    return std::ranges::all_of(cells, [](const ListCell& cell) {
        Relation index = try_relation_open(lfirst_oid(&cell), AccessShareLock);
        const bool is_btree = index != nullptr && index->rd_rel->relam == BTREE_AM_OID;
        if (index != nullptr) {
            relation_close(index, AccessShareLock);
        }
        return is_btree;
    });
}

/// A function of ours without arguments; none if somebody has put one that is not in C in its place.
Oid own_function(Oid schema, const char* name) {
    HeapTuple found = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(name),
                                      PointerGetDatum(buildoidvector(nullptr, 0)), ObjectIdGetDatum(schema));
    if (!HeapTupleIsValid(found)) {
        return InvalidOid;
    }
    const auto* function = reinterpret_cast<const FormData_pg_proc*>(GETSTRUCT(found));
    const Oid oid = function->prolang == ClanguageId ? function->oid : InvalidOid;
    ReleaseSysCache(found);
    return oid;
}

/// Whether a DELETE of one row would do nothing but remove it, and ask our own trigger, which lets a run go that has
/// ended. Foreign keys that name the table have triggers on it.
bool is_plain_delete(Relation table, Oid schema) {
    const Oid own =
        own_function(schema, "refuse_unsettled_removal"); // looked up first, lest the triggers change meanwhile
    return !has_rules(table) && std::ranges::none_of(triggers_of(table), [own](const Trigger& trigger) {
        const bool is_ours = trigger.tgfoid == own && TRIGGER_FOR_AFTER(trigger.tgtype) &&
                             (TRIGGER_FOR_ROW(trigger.tgtype) || !TRIGGER_FOR_DELETE(trigger.tgtype));
        return TRIGGER_FOR_DELETE(trigger.tgtype) && !is_ours;
    });
}

bool is_unique(Oid index) {
    Relation opened = index_open(index, AccessShareLock);
    const bool unique = opened->rd_index->indisunique && opened->rd_index->indimmediate;
    index_close(opened, AccessShareLock);
    return unique;
}

bool holds_all(Relation index) {
    return RelationGetIndexPredicate(index) == NIL;
}

/// The index, if every row that is looked for is found by it, which holds(index) says of one that is complete.
template <typename Holds>
Oid complete_index(Relation table, Oid schema, const char* name, Holds holds) {
    const Oid oid = get_relname_relid(name, schema);
    Relation index = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : nullptr;
    if (index == nullptr) {
        return InvalidOid;
    }
    bool is_usable = false;
    if (index->rd_rel->relkind == RELKIND_INDEX && index->rd_rel->relam == BTREE_AM_OID) {
        const FormData_pg_index& is = *index->rd_index;
        // an index with indcheckxmin may lack rows that old snapshots see
        is_usable =
            is.indrelid == RelationGetRelid(table) && is.indisvalid && is.indislive && !is.indcheckxmin && holds(index);
    }
    relation_close(index, AccessShareLock);
    return is_usable ? oid : InvalidOid;
}

/// The index, if every row that a scan by its first key, a text, looks for is found by it: those that are looked for
/// are those for which holds(index) says so.
template <typename Holds>
Oid usable_index(Relation table, Oid schema, const char* name, AttrNumber first_key, AttrNumber second_key,
                 Holds holds) {
    return complete_index(table, schema, name, [&](Relation index) {
        const FormData_pg_index& is = *index->rd_index;
        return is.indkey.values[0] == first_key && index->rd_opcintype[0] == TEXTOID &&
               index->rd_opfamily[0] == TEXT_BTREE_FAM_OID &&
               get_collation_isdeterministic(index->rd_indcollation[0]) && holds(index) &&
               (second_key == InvalidAttrNumber ||
                (is.indisunique && is.indnkeyatts >= 2 && is.indkey.values[1] == second_key &&
                 index->rd_opfamily[1] == INTEGER_BTREE_FAM_OID && index->rd_indoption[0] == 0 &&
                 index->rd_indoption[1] == 0));
    });
}

Relation open_table(Oid schema, const char* name) {
    const Oid table = get_relname_relid(name, schema);
    Relation opened = OidIsValid(table) ? try_relation_open(table, AccessShareLock) : nullptr;
    if (opened == nullptr) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation pdpp.%s is missing", name),
                        errhint("The library and the extension's SQL may be of different versions: run "
                                "ALTER EXTENSION pdpp UPDATE.")));
    }
    if (opened->rd_rel->relkind != RELKIND_RELATION) {
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("pdpp.%s is not an ordinary table", name),
                        errhint("Put back the table that the extension made.")));
    }
    return opened;
}

SpineEntry look_up_spine(Oid schema) {
    Relation table = open_table(schema, "spine_events");
    SpineEntry spine{};
    spine.table = RelationGetRelid(table);
    find_columns(table, columns_of_spine, spine);
    spine.primary_key = usable_index(table, schema, "spine_events_pkey", spine.run_id, spine.event_seq, holds_all);
    spine.lifecycle_index = usable_index(table, schema, "spine_events_lifecycle", spine.run_id, InvalidAttrNumber,
                                         [&](Relation index) { return holds_lifecycle(index, spine.event_type); });
    spine.retry_index = usable_index(table, schema, "spine_events_retries", spine.source_id, InvalidAttrNumber,
                                     [&](Relation index) { return holds_retries(index, spine); });
    spine.is_as_made = OidIsValid(spine.primary_key) &&
                       is_plain_insert(table, columns_of_spine, spine_places, spine.data_json) &&
                       has_own_checks(RelationGetDescr(table)->constr, spine);
    relation_close(table, AccessShareLock);
    return spine;
}

FlightEntry look_up_flight(Oid schema) {
    Relation table = open_table(schema, "controller_active_runs");
    FlightEntry flight{};
    flight.table = RelationGetRelid(table);
    find_columns(table, columns_of_flight, flight);
    flight.primary_key = usable_index(table, schema, "controller_active_runs_pkey", flight.connector_instance_id,
                                      InvalidAttrNumber, holds_all);
    flight.run_id_index =
        usable_index(table, schema, "controller_active_runs_run_id_key", flight.run_id, InvalidAttrNumber, holds_all);
    flight.offered_index = complete_index(table, schema, "controller_active_runs_offered",
                                          [&](Relation index) { return holds_offered(index, flight); });
    flight.can_be_inserted = is_plain_insert(table, columns_of_flight, flight_places, InvalidAttrNumber) &&
                             RelationGetDescr(table)->constr->num_check == 0;
    flight.can_be_claimed = is_plain_update(table, flight.boot_epoch, UUIDOID);
    // one row is all that there is of a run
    const bool is_one = OidIsValid(flight.run_id_index) && is_unique(flight.run_id_index);
    flight.can_be_started =
        is_one && flight.can_be_claimed && is_plain_update(table, flight.launch_deadline, TIMESTAMPTZOID);
    flight.can_be_removed = is_one && is_plain_delete(table, schema);
    relation_close(table, AccessShareLock);
    return flight;
}

/// Without a table where somebody has put something else in its place: only statements know what that is.
ConnectionEntry look_up_connections(Oid schema) {
    ConnectionEntry connections{};
    const Oid oid = get_relname_relid("connections", schema);
    Relation table = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : nullptr;
    if (table == nullptr) {
        return connections;
    }
    find_columns(table, columns_of_connections, connections);
    if (table->rd_rel->relkind == RELKIND_RELATION && connections.connector_instance_id != InvalidAttrNumber) {
        connections.table = oid;
        connections.primary_key = usable_index(table, schema, "connections_pkey", connections.connector_instance_id,
                                               InvalidAttrNumber, holds_all);
    }
    relation_close(table, AccessShareLock);
    return connections;
}

} // namespace

const Catalogue& catalogue() {
    // What is announced while we look is not counted as known: the next call looks again. There is no waiting for
    // quiet, which under debug_discard_caches never comes. Should the look-up raise an error, nothing is remembered.
    if (known_at != changes) {
        looking = true;
        const std::uint64_t looked_at = changes;
        const Oid schema = schema_of_extension();
        known = {.spine = look_up_spine(schema),
                 .flight = look_up_flight(schema),
                 .connections = look_up_connections(schema)};
        known.spine.has_retries = known.flight.has_deadlines(); // they came together
        known.spine.requires_event_id = !known.flight.has_deadlines();
        known_at = looked_at;
    }
    looking = false;
    return known;
}

void require_readable(Relation table, const Unreadable& unreadable) {
    if (unreadable.column == nullptr) {
        return;
    }
    const FormData_pg_attribute& found = attribute(table, column_of(RelationGetRelid(table), unreadable.column));
    refuse_type(join({"pdpp.", RelationGetRelationName(table), ".", unreadable.column}), found.atttypid,
                unreadable.expected);
}

std::uint64_t catalogue_version() {
    return changes;
}

void forget_catalogue() {
    ++changes;
}

void watch_catalogue() {
    CacheRegisterRelcacheCallback(on_relation_change, Datum{0});
}

} // namespace pdpp::store
