#include "controller/descendants.hpp"

#include "controller/pidfd.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace pdpp::controller {

namespace {

/// How often a tree is looked at again while it is being stopped, and for how long it is left alone in between.
constexpr int most_passes = 20;
constexpr timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};

struct Row {
    pid_t pid;
    pid_t parent;
    pid_t group;
    char state;
    std::uint64_t started;
};

/// Takes the next field off `text`, as a number if it is one.
std::uint64_t next_field(std::string_view& text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::uint64_t value = 0;
    const auto* const end = text.data() + text.size();
    std::from_chars(text.data(), end, value);
    text.remove_prefix(std::min(text.find(' '), text.size()));
    return value;
}

/// The folder /proc, if it is that of our own PID namespace.
class Proc {
  public:
    Proc() noexcept : folder_(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        std::array<char, 32> self{};
        const auto length = ::readlinkat(folder_, "self", self.data(), self.size());
        pid_t pid = 0;
        if (length > 0) {
            std::from_chars(self.data(), self.data() + length, pid);
        }
        usable_ = pid == ::getpid();
    }
    Proc(const Proc&) = delete;
    Proc& operator=(const Proc&) = delete;
    ~Proc() { ::close(folder_); }

    [[nodiscard]] bool usable() const noexcept { return usable_; }
    [[nodiscard]] int folder() const noexcept { return folder_; }

    /// False if there is no such process.
    bool read(pid_t pid, Row& row) const noexcept {
        std::array<char, 32> name{};
        auto* const end = std::to_chars(name.data(), name.data() + name.size(), pid).ptr;
        std::memcpy(end, "/stat", sizeof "/stat");
        const int file = ::openat(folder_, name.data(), O_RDONLY | O_CLOEXEC);
        if (file < 0) {
            return false;
        }
        std::array<char, 1024> content{};
        const auto size = ::read(file, content.data(), content.size());
        ::close(file);
        if (size <= 0) {
            return false;
        }
        // PID (NAME) STATE PARENT GROUP ...: the name may hold anything, and what follows holds no parenthesis
        std::string_view text(content.data(), static_cast<std::size_t>(size));
        const auto name_end = text.rfind(')');
        if (name_end == std::string_view::npos || name_end + 2 >= text.size()) {
            return false;
        }
        text.remove_prefix(name_end + 2);
        row.pid = pid;
        row.state = text.front();
        next_field(text);
        row.parent = static_cast<pid_t>(next_field(text));
        row.group = static_cast<pid_t>(next_field(text));
        constexpr int between_group_and_start = 16;
        for (int skipped = 0; skipped < between_group_and_start; ++skipped) {
            next_field(text);
        }
        row.started = next_field(text);
        return true;
    }

  private:
    int folder_;
    bool usable_ = false;
};

/// All processes as they were one after the other, in the order of their numbers.
class Snapshot {
  public:
    explicit Snapshot(const Proc& proc) noexcept {
        if (proc.usable()) {
            ::lseek(proc.folder(), 0, SEEK_SET);
            read(proc);
        }
    }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;
    ~Snapshot() {
        if (rows_ != nullptr) {
            ::munmap(rows_, capacity_ * sizeof(Row));
        }
    }

    /// Calls `use` for each of the family that is alive.
    template <class Use>
    void for_each(const Family& family, Use use) const noexcept {
        for (const auto& row : rows()) {
            if (row.state != 'Z' && row.state != 'X' && belongs(row, family)) {
                use(row);
            }
        }
    }

  private:
    [[nodiscard]] std::span<const Row> rows() const noexcept { return {rows_, count_}; }

    void read(const Proc& proc) noexcept {
        alignas(dirent64) std::array<char, 8192> names{};
        for (;;) {
            const auto size = ::getdents64(proc.folder(), names.data(), names.size());
            if (size <= 0) {
                return;
            }
            for (auto at = decltype(size){0}; at < size;) {
                const auto* const entry = reinterpret_cast<const dirent64*>(names.data() + at);
                at += entry->d_reclen;
                pid_t pid = 0;
                std::from_chars(entry->d_name, entry->d_name + std::strlen(entry->d_name), pid);
                if (pid > 0 && has_room() && proc.read(pid, rows_[count_])) {
                    ++count_;
                }
            }
        }
    }

    bool has_room() noexcept {
        if (count_ < capacity_) {
            return true;
        }
        const auto wanted = capacity_ == 0 ? std::size_t{1024} : 2 * capacity_;
        constexpr int rights = PROT_READ | PROT_WRITE;
        void* const memory = rows_ == nullptr
                                 ? ::mmap(nullptr, wanted * sizeof(Row), rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                 : ::mremap(rows_, capacity_ * sizeof(Row), wanted * sizeof(Row), MREMAP_MAYMOVE);
        if (memory == MAP_FAILED) {
            return false;
        }
        rows_ = static_cast<Row*>(memory);
        capacity_ = wanted;
        return true;
    }

    [[nodiscard]] const Row* find(pid_t pid) const noexcept {
        const auto all = rows();
        const auto found = std::ranges::lower_bound(all, pid, {}, &Row::pid);
        return found != all.end() && found->pid == pid ? &*found : nullptr;
    }

    [[nodiscard]] bool belongs(const Row& row, const Family& family) const noexcept {
        const auto* at = &row;
        // what was not read at one instant may hold a circle
        for (std::size_t steps = 0; at != nullptr && steps < count_; ++steps) {
            if (at->parent == family.root) {
                return at->started >= family.since &&
                       std::ranges::find(family.without, at->pid) == family.without.end();
            }
            const auto* const parent = find(at->parent);
            // read at another moment: the number of a parent that had gone, and that somebody else has since
            if (parent != nullptr && parent->started > at->started) {
                return false;
            }
            at = parent;
        }
        return false;
    }

    Row* rows_ = nullptr;
    std::size_t count_ = 0;
    std::size_t capacity_ = 0;
};

/// False if it has gone meanwhile, whoever has its number now, or may not be signalled.
bool send(const Proc& proc, const Row& row, int number) noexcept {
    const int handle = ::pidfd_open(row.pid, 0);
    if (handle < 0) {
        return false;
    }
    Row now{};
    const bool same = proc.read(row.pid, now) && now.started == row.started;
    const bool sent = same && ::pidfd_send_signal(handle, number, nullptr, 0) == 0;
    ::close(handle);
    return sent;
}

bool is_stopped(const Row& row) noexcept {
    return row.state == 'T' || row.state == 't';
}

} // namespace

std::uint64_t started_from_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    constexpr std::uint64_t nanoseconds = 1'000'000'000;
    return static_cast<std::uint64_t>(now.tv_sec) * ticks +
           static_cast<std::uint64_t>(now.tv_nsec) * ticks / nanoseconds;
}

void signal_outside_group(const Family& family, pid_t group, int number) noexcept {
    const Proc proc;
    const Snapshot snapshot(proc);
    snapshot.for_each(family, [&](const Row& row) {
        if (row.group != group) {
            send(proc, row, number);
        }
    });
}

int kill_all(const Family& family) noexcept {
    const Proc proc;
    for (int pass = 1;; ++pass) {
        const Snapshot snapshot(proc);
        int alive = 0;
        int moving = 0;
        snapshot.for_each(family, [&](const Row& row) {
            ++alive;
            if (!is_stopped(row) && send(proc, row, SIGSTOP)) {
                ++moving;
            }
        });
        if (moving == 0 || pass == most_passes) {
            snapshot.for_each(family, [&](const Row& row) { send(proc, row, SIGKILL); });
            return alive;
        }
        ::nanosleep(&pause, nullptr);
    }
}

} // namespace pdpp::controller
