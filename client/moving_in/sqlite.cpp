#include "moving_in/sqlite.hpp"

#include <boost/asio/awaitable.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace pdpp::moving_in {

namespace asio = boost::asio;

namespace {

constexpr Dialect sqlite_dialect{
    .name = "sqlite", .schema = "main.", .tells_writes = false, .row_number = "t.rowid", .holds_any_type = true};

/// Of texts that SQLite keeps in UTF-16 it makes UTF-8 for whoever compares that.
constexpr const char* bytes_of_utf8 = "pdpp_bytes";

int compare_bytes(void* /*unused*/, int left_size, const void* left, int right_size, const void* right) {
    const std::string_view one(static_cast<const char*>(left), static_cast<std::size_t>(left_size));
    const std::string_view other(static_cast<const char*>(right), static_cast<std::size_t>(right_size));
    return one.compare(other);
}

constexpr int patience_with_locks = 5000; // milliseconds

constexpr int looks_at_log = 10;
constexpr auto between_looks_at_log = std::chrono::milliseconds(100);

struct CloseDatabase {
    void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

SourceError as_source_error(sqlite3* database) {
    const int code = sqlite3_errcode(database) & 0xff;
    // files of a log that come and go with who writes cannot be opened for a moment
    const bool is_busy = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_CANTOPEN;
    const bool is_unreadable = code == SQLITE_READONLY || code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    const bool has_to_be_taken_back = sqlite3_extended_errcode(database) == SQLITE_READONLY_ROLLBACK;
    return {is_busy                ? SourceError::Kind::busy
            : code == SQLITE_IOERR ? SourceError::Kind::lost
            : is_unreadable        ? SourceError::Kind::unreadable
                                   : SourceError::Kind::refused,
            fmt::format("the source: {}", sqlite3_errmsg(database)),
            has_to_be_taken_back
                ? "Its server died while it wrote, and what it wrote has to be taken back, which takes who "
                  "may write: start that server, or open the file once with sqlite3 and read from it."
                : ""};
}

Statement prepare(sqlite3* database, const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK) {
        throw as_source_error(database);
    }
    return Statement{statement};
}

/// The next row; nothing at the end.
std::optional<Row> step(sqlite3* database, sqlite3_stmt* statement) {
    const int result = sqlite3_step(statement);
    if (result == SQLITE_DONE) {
        return std::nullopt;
    }
    if (result != SQLITE_ROW) {
        throw as_source_error(database);
    }
    Row row;
    const int columns = sqlite3_column_count(statement);
    row.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) {
        if (sqlite3_column_type(statement, column) == SQLITE_NULL) {
            row.emplace_back();
            continue;
        }
        const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
        row.emplace_back(std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column))));
    }
    return row;
}

class SqliteCursor : public Cursor {
  public:
    SqliteCursor(sqlite3* database, Statement statement) : database_(database), statement_(std::move(statement)) {}

    asio::awaitable<std::optional<Row>> next() override { co_return step(database_, statement_.get()); }

  private:
    sqlite3* database_;
    Statement statement_;
};

/// The name of SQLite's own way to the system's files, but for one thing: a log that is not there, since its writer has
/// taken it away at this moment, is not made, as SQLite does even for who only reads. Its server might not be allowed
/// to write to that.
const char* way_to_files() {
    static sqlite3_vfs* const usual = sqlite3_vfs_find(nullptr);
    static sqlite3_vfs reading = [] {
        auto copy = *usual;
        copy.pNext = nullptr;
        copy.zName = "pdpp_reading";
        copy.xOpen = [](sqlite3_vfs* /*reading*/, const char* name, sqlite3_file* file, int flags, int* opened) {
            constexpr int writing = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
            const bool is_log = (flags & SQLITE_OPEN_WAL) != 0;
            return usual->xOpen(usual, name, file, is_log ? (flags & ~writing) | SQLITE_OPEN_READONLY : flags, opened);
        };
        return copy;
    }();
    static const int registered = sqlite3_vfs_register(&reading, 0);
    return registered == SQLITE_OK ? reading.zName : nullptr;
}

/// Whether the file says that its writers keep a write-ahead log.
bool has_log(const std::string& path) {
    constexpr std::streamoff place_of_version = 18;
    std::ifstream file(path, std::ios::binary);
    file.seekg(place_of_version);
    return file.get() == 2;
}

/// Whether another process has the file open: whoever keeps a log holds a lock on it all the while, by whatever name he
/// opened it.
bool is_locked(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    struct flock lock {}; // a whole file, of which SQLite locks bytes that it has none of
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    const bool is_asked = ::fcntl(file, F_GETLK, &lock) == 0;
    ::close(file);
    return is_asked && lock.l_type != F_UNLCK;
}

/// What tells a file from another that came to bear its name.
std::optional<std::pair<dev_t, ino_t>> identity_of(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? std::optional(std::pair{found.st_dev, found.st_ino}) : std::nullopt;
}

/// A path as a URI has it.
std::string uri_of(const std::string& path) {
    std::string uri = "file:";
    for (const char letter : path) {
        const bool is_plain = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '/' || letter == '.' ||
                              letter == '_' || letter == '-';
        uri += is_plain ? std::string(1, letter) : fmt::format("%{:02X}", static_cast<unsigned char>(letter));
    }
    return uri;
}

/// What tells a file that nobody has open from what it was.
struct FileState {
    std::filesystem::file_time_type written;
    std::uintmax_t size;

    friend bool operator==(const FileState&, const FileState&) = default;
};

/// What a column holds by the rules of SQLite: `VARCHAR(64)` is a text. Other types by their names.
std::string affinity_of(const std::string& type) {
    const auto has = [&](std::string_view word) { return type.find(word) != std::string::npos; };
    return has("int") ? "integer" : has("char") || has("clob") || has("text") ? "text" : type;
}

class Sqlite : public Database {
  public:
    explicit Sqlite(std::string path) : path_(std::move(path)) {}

    [[nodiscard]] const Dialect& dialect() const override { return sqlite_dialect; }

    asio::awaitable<bool> open() override {
        const bool is_replaced = database_ && identity_of(path_).value_or(opened_) != opened_;
        const bool opens = !database_ || is_still_ || is_replaced;
        if (opens) {
            open_file();
        }
        co_return opens;
    }

    asio::awaitable<void> begin() override {
        before_ = state();
        while (is_still_ && has_writer()) { // since it was opened
            open_file();
            before_ = state();
        }
        execute("BEGIN");
        (void)step(database_.get(), prepare(database_.get(), "SELECT count(*) FROM sqlite_master").get());
        is_utf8_ = (co_await rows("PRAGMA encoding")).front().front() == "UTF-8";
    }

    /// The bytes that are kept where those are UTF-8, since an index has them in that order.
    [[nodiscard]] std::string by_bytes(std::string_view column) const override {
        return fmt::format("{} collate {}", column, is_utf8_ ? "binary" : bytes_of_utf8);
    }

    /// A log beside the file takes nothing from what is read of it, until what is in the log is put into the file.
    void check_unchanged() const override {
        if (is_still_ && state() != before_) {
            throw SourceError(SourceError::Kind::busy, "the source: somebody wrote to it while it was read");
        }
    }

    asio::awaitable<void> end() override {
        execute("COMMIT");
        check_unchanged();
        co_return;
    }

    asio::awaitable<std::vector<Row>> rows(std::string sql) override {
        const auto statement = prepare(database_.get(), sql);
        std::vector<Row> rows;
        while (auto row = step(database_.get(), statement.get())) {
            rows.push_back(std::move(*row));
        }
        co_return rows;
    }

    asio::awaitable<std::unique_ptr<Cursor>> cursor(std::string sql) override {
        co_return std::make_unique<SqliteCursor>(database_.get(), prepare(database_.get(), sql));
    }

    asio::awaitable<FoundTables> tables() override {
        FoundTables found;
        for (const Row& row : co_await rows("SELECT m.name, c.name, lower(c.type) FROM sqlite_master AS m"
                                            " JOIN pragma_table_info(m.name) AS c WHERE m.type IN ('table', 'view')")) {
            found[*row[0]][*row[1]] = affinity_of(*row[2]);
        }
        co_return found;
    }

    asio::awaitable<std::set<std::string>> views() override {
        std::set<std::string> views;
        for (const Row& row : co_await rows("SELECT name FROM sqlite_master WHERE type = 'view'")) {
            views.insert(*row[0]);
        }
        co_return views;
    }

    asio::awaitable<std::optional<std::int64_t>> bytes(std::string table) override {
        const auto has_sizes = co_await rows("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'");
        if (has_sizes.empty()) {
            co_return std::nullopt;
        }
        const auto size = co_await rows(fmt::format("SELECT coalesce(sum(s.pgsize), 0) FROM sqlite_master AS m"
                                                    " JOIN dbstat AS s ON s.name = m.name WHERE m.tbl_name = '{}'",
                                                    table));
        co_return std::stoll(*size.front().front());
    }

    asio::awaitable<bool> may_have_changed() override {
        if (is_still_) {
            co_return state() != before_ || has_writer();
        }
        const auto version = co_await rows("PRAGMA data_version");
        co_return std::exchange(data_version_, version.front().front()) != version.front().front();
    }

    asio::awaitable<std::string> mark() override { co_return std::string(); }

    [[nodiscard]] std::string written_since(std::string_view /*mark*/) const override { return "false"; }

    void close() noexcept override { database_.reset(); }

  private:
    /// Whoever opens a log that nobody has open makes files beside the database, which its server may then not be
    /// allowed to open. So a database whose log is not there, which is whole in its one file, is read as a file that
    /// does not change, and nothing of it counts before it was found unchanged; else the log is read, with whatever
    /// index of it is there.
    void open_file() {
        std::error_code error;
        file_ = std::filesystem::canonical(path_, error);
        const auto identity = identity_of(file_);
        if (error || !identity || !std::filesystem::is_regular_file(file_, error)) {
            throw SourceError(SourceError::Kind::unreadable,
                              fmt::format("the source: {} is no file that can be read", path_));
        }
        opened_ = *identity;
        is_still_ = has_log(file_) && !has_writer();
        if (!is_still_ && has_log(file_)) {
            check_index();
            is_still_ = !has_writer();
        }
        const auto uri = uri_of(file_) + (is_still_        ? "?mode=ro&immutable=1"
                                          : has_log(file_) ? "?mode=ro&readonly_shm=1"
                                                           : "?mode=ro");
        sqlite3* opened = nullptr;
        const int result =
            sqlite3_open_v2(uri.c_str(), &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, way_to_files());
        database_.reset(opened);
        if (result != SQLITE_OK) {
            const auto failure = as_source_error(opened);
            database_.reset();
            throw failure;
        }
        sqlite3_busy_timeout(opened, patience_with_locks);
        execute("PRAGMA query_only = on");
        sqlite3_create_collation(opened, bytes_of_utf8, SQLITE_UTF8, nullptr, compare_bytes);
        data_version_.reset();
    }

    /// Whether somebody has a log beside the file, or had when it crashed. A log is called after the name by which its
    /// writer opened the file: throws SourceError if it may be one that is not seen from here.
    [[nodiscard]] bool has_writer() const {
        std::error_code error;
        // an empty one without its index holds nothing
        const auto has_log_beside = [&] {
            return std::filesystem::exists(file_ + "-wal", error) &&
                   (std::filesystem::file_size(file_ + "-wal", error) > 0 ||
                    std::filesystem::exists(file_ + "-shm", error));
        };
        if (has_log_beside()) {
            return true;
        }
        if (is_locked(file_)) {
            if (has_log_beside()) {
                return true;
            }
            throw SourceError(
                SourceError::Kind::busy,
                fmt::format("the source: somebody has {} open, and no log is beside it: he is just "
                            "opening or closing it, or else he named it otherwise, and it has to be named "
                            "as he did",
                            path_));
        }
        if (std::filesystem::hard_link_count(file_, error) > 1 && !error) {
            throw SourceError(SourceError::Kind::unreadable,
                              fmt::format("the source: {} has several names, and a log may lie beside another of them: "
                                          "a copy of its own has to be read",
                                          path_));
        }
        return false;
    }

    /// A log without its index was copied so, unless somebody is just making or removing them: then one look a moment
    /// later finds it otherwise. Throws SourceError.
    void check_index() const {
        const auto log_without_index = [&] {
            std::error_code error;
            const auto written = std::filesystem::last_write_time(file_ + "-wal", error);
            const bool is_so = !error && !std::filesystem::exists(file_ + "-shm", error) && !is_locked(file_);
            return is_so ? std::optional(written) : std::nullopt;
        };
        const auto first = log_without_index();
        bool is_copy = first.has_value();
        for (int look = 0; is_copy && look < looks_at_log; ++look) {
            std::this_thread::sleep_for(between_looks_at_log);
            is_copy = log_without_index() == first;
        }
        if (is_copy) {
            throw SourceError(
                SourceError::Kind::unreadable, fmt::format("the source: {0}-wal is beside {0}, and no {0}-shm", path_),
                "Copy that too; or let a program that may write to the copy open it once and read from it, "
                "such as sqlite3, which puts the log into the file.");
        }
    }

    void execute(const char* sql) {
        if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
            throw as_source_error(database_.get());
        }
    }

    [[nodiscard]] FileState state() const {
        std::error_code error;
        return {.written = std::filesystem::last_write_time(file_, error),
                .size = std::filesystem::file_size(file_, error)};
    }

    std::string path_; ///< as it was named
    std::string file_; ///< without links: a log is called after that
    std::pair<dev_t, ino_t> opened_{};
    std::unique_ptr<sqlite3, CloseDatabase> database_;
    bool is_still_ = false;
    bool is_utf8_ = true;
    FileState before_{};
    std::optional<std::string> data_version_;
};

} // namespace

std::unique_ptr<Database> open_sqlite(std::string path) {
    return std::make_unique<Sqlite>(std::move(path));
}

} // namespace pdpp::moving_in
