#include "store/boots.hpp"

#include "boundary.hpp"
#include "settings.hpp"
#include "store/boot_session.hpp"
#include "store/clock.hpp"
#include "store/digest.hpp"
#include "store/durable.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::store {

namespace {

std::int64_t grace_micros() {
    return std::int64_t{settings::liveness_grace} * 1000;
}

/// When a boot that was seen lost then is dead, in present time. The grace counts anew from the server's start or
/// promotion: every session was lost then, whoever had one. Nothing while the server is not quite up.
std::optional<run::Instant> death_of(const Clock& clock, run::Instant lost_at) {
    const auto since = clock.serving_since();
    if (!since) {
        return {};
    }
    return run::later(std::max(clock.in_present_time(lost_at), *since), grace_micros());
}

bool is_past(const Clock& clock, std::optional<run::Instant> instant) {
    return instant && *instant <= clock.now;
}

/// Which boots to look at, and how.
struct Look {
    bool is_over; ///< they are lives of a controller that lives again: as if lost since ever
    BootWatch found;

    [[nodiscard]] std::optional<run::Instant> death_of_lost(const Clock& clock, run::Instant lost_at) const {
        return death_of(clock, is_over ? run::Instant{} : lost_at);
    }

    void expect(std::optional<run::Instant> death) {
        if (death && (!found.next_death || death->unix_micros < found.next_death->unix_micros)) {
            found.next_death = death;
        }
    }

    void at(const pg_uuid_t& epoch, std::optional<run::Instant> lost_at);
};

/// The boot that our own UPDATE is about, while it runs in this session.
std::optional<pg_uuid_t> judged;

void mark(const pg_uuid_t& epoch, std::optional<run::Instant> lost_at, std::optional<run::Instant> dead_at) {
    static Statement update{"update pdpp.controller_boots set lost_at = $2, dead_at = $3 where boot_epoch = $1"};
    const auto outer = judged; // somebody's trigger may call the guard while ours writes
    PG_TRY();
    {
        judged = epoch;
        require_durable_commit();
        update.execute({epoch, lost_at, dead_at});
    }
    PG_FINALLY();
    { judged = outer; }
    PG_END_TRY();
}

/// Looks at one boot and records what changed; `lost_at` as it was read without a lock.
void Look::at(const pg_uuid_t& epoch, std::optional<run::Instant> lost_at) {
    // A rejoin takes the lock first and the row second, this look the row first and the lock second: one of the two
    // sees the other. A row that somebody else is at work on is left to the next look.
    static Statement lock{"select lost_at from pdpp.controller_boots where boot_epoch = $1 and dead_at is null"
                          " for no key update skip locked"};
    constexpr std::optional<run::Instant> never;

    // most looks change nothing, and take no row lock
    const bool held = is_held(epoch);
    if (held && !lost_at) {
        return;
    }
    if (!held && lost_at) {
        const Clock clock = read_clock();
        const auto death = death_of_lost(clock, *lost_at);
        if (clock.in_present_time(*lost_at) <= clock.now && !is_past(clock, death)) {
            expect(death);
            return;
        }
    }

    const Rows row = lock.execute({epoch});
    if (!row.any()) {
        return;
    }
    if (is_held(epoch)) {
        mark(epoch, never, never);
        return;
    }
    const Clock clock = read_clock();
    const std::optional<run::Instant> earlier = row.instant(0, 0);
    // a time to come was stamped by another server's clock, or by one of which we do not know that it was set back
    const run::Instant lost = earlier && clock.in_present_time(*earlier) <= clock.now ? *earlier : clock.now;
    const auto death = death_of_lost(clock, lost);
    const bool is_dead = is_past(clock, death);
    mark(epoch, lost, is_dead ? std::optional{clock.now} : never);
    found.lost += earlier ? 0 : 1;
    if (!is_dead) {
        expect(death);
    }
}

BootWatch look_at(const Rows& rows, bool is_over) {
    Look look{.is_over = is_over, .found = {}};
    for (std::uint64_t row = 0; row < rows.count(); ++row) {
        CHECK_FOR_INTERRUPTS();
        look.at(required(rows.uuid(row, 0)), rows.instant(row, 1));
    }
    return look.found;
}

pg_uuid_t new_epoch() {
    const auto bytes = random_bytes<std::array<unsigned char, UUID_LEN>>();
    pg_uuid_t epoch;
    memcpy(epoch.data, bytes.data(), UUID_LEN);
    epoch.data[6] = static_cast<unsigned char>((epoch.data[6] & 0x0f) | 0x40); // version 4
    epoch.data[8] = static_cast<unsigned char>((epoch.data[8] & 0x3f) | 0x80); // the variant
    return epoch;
}

} // namespace

Boot begin_boot(std::string_view controller_id) {
    static Statement last{"select seq from pdpp.controller_boots where controller_id = $1 order by seq desc limit 1"};
#define INSERT_BOOT                                                                                                    \
    "insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at) values ($1, $2, $3, $4)"
    static Statement insert_or_skip{INSERT_BOOT " on conflict do nothing"};
    static Statement insert_or_raise{INSERT_BOOT};
#undef INSERT_BOOT
    const pg_uuid_t epoch = new_epoch();
    const run::Instant booted_at = now();
    require_durable_commit();
    hold_boot(epoch);
    for (std::int64_t tried = 0;;) {
        CHECK_FOR_INTERRUPTS();
        const Rows rows = last.execute({controller_id});
        const std::int64_t seq = 1 + (rows.any() ? required(rows.int8(0, 0)) : 0);
        // Two boots of one controller at once want the same number: the second waits for the first and tries the next.
        // Where that is the same again, an index of somebody's is in the way, which the error names.
        Statement& insert = seq == tried ? insert_or_raise : insert_or_skip;
        if (insert.change({controller_id, seq, epoch, booted_at}) > 0) {
            return {.controller_id = controller_id, .seq = seq, .epoch = epoch, .booted_at = booted_at};
        }
        if (seq == tried) {
            refuse_unwritten("controller_boots");
        }
        tried = seq;
    }
}

std::optional<Boot> rejoin_boot(const pg_uuid_t& epoch) {
    // waits for a guard that is judging this boot, and reads its verdict
    static Statement lock{"select controller_id, seq, booted_at, lost_at from pdpp.controller_boots"
                          " where boot_epoch = $1 and dead_at is null for no key update"};
    static Statement clear{
        "update pdpp.controller_boots set lost_at = null where boot_epoch = $1 and lost_at is not null"};
    require_durable_commit();
    hold_boot(epoch);
    const Rows rows = lock.execute({epoch});
    if (!rows.any()) {
        return {}; // the caller raises an error, whose abort gives the lock back
    }
    const Boot boot{.controller_id = required(rows.text(0, 0)),
                    .seq = required(rows.int8(0, 1)),
                    .epoch = epoch,
                    .booted_at = required(rows.instant(0, 2))};
    const bool was_lost = rows.instant(0, 3).has_value();
    end_doubt(); // for the same reason as in own_boot()
    // else it would be judged by what it has come back from
    if (clear.change({epoch}) == 0 && was_lost) {
        refuse_unwritten("controller_boots");
    }
    return boot;
}

std::optional<pg_uuid_t> current_boot() {
    const auto boot = acting_boot();
    return boot ? std::optional{boot->epoch} : std::nullopt;
}

#define BOOT_RECORD "select controller_id, lost_at, dead_at from pdpp.controller_boots where boot_epoch = $1"

namespace {

std::optional<BootRecord> record_in(const Rows& rows) {
    if (!rows.any()) {
        return {};
    }
    return BootRecord{.controller_id = required(rows.text(0, 0)),
                      .lost_at = rows.instant(0, 1),
                      .dead = rows.instant(0, 2).has_value()};
}

} // namespace

std::optional<BootRecord> find_boot(const pg_uuid_t& epoch) {
    static Statement find{BOOT_RECORD};
    return record_in(find.execute({epoch}));
}

std::optional<OwnBoot> own_boot() {
    // A guard locks the row before it probes the boot's lock, and keeps it until its verdict stands. Whoever takes the
    // boot's lock and locks the row after that knows the verdict, and that there will be no other: the lock is held.
    static Statement await_verdict{BOOT_RECORD " for share"};
    const auto boot = acting_boot();
    if (!boot) {
        return {};
    }
    if (!boot->in_doubt) {
        return OwnBoot{.epoch = boot->epoch, .record = find_boot(boot->epoch)};
    }
    const auto record = record_in(await_verdict.execute({boot->epoch}));
    end_doubt();
    return OwnBoot{.epoch = boot->epoch, .record = record};
}
#undef BOOT_RECORD

bool is_dead(const pg_uuid_t& epoch) {
    const auto boot = find_boot(epoch);
    if (!boot || boot->dead) {
        return true;
    }
    const Clock clock = read_clock();
    return !is_held(epoch) && is_past(clock, death_of(clock, boot->lost_at.value_or(clock.now)));
}

bool is_judged(const pg_uuid_t& epoch) {
    return judged && memcmp(judged->data, epoch.data, UUID_LEN) == 0;
}

BootWatch watch_boots() {
    static Statement all{"select boot_epoch, lost_at from pdpp.controller_boots where dead_at is null"
                         " order by controller_id, seq"};
    return look_at(all.execute({}), false);
}

BootWatch watch_boots_of(std::string_view controller_id) {
    static Statement of_controller{"select boot_epoch, lost_at from pdpp.controller_boots"
                                   " where dead_at is null and controller_id = $1 order by seq"};
    return look_at(of_controller.execute({controller_id}), true);
}

} // namespace pdpp::store
