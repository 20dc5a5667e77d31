#pragma once
// A page: a template filled with values, and the headers that every page has.

#include "http/wire/message.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ctemplate {
class TemplateDictionary;
}

namespace pdpp::http {

/// Where the list of runs is, which all pages lead to.
constexpr std::string_view list_path = "/_ref/runs";

/// The most bytes of a page: with the style, the script and an icon, as they are sent, under 60 kB.
constexpr std::size_t page_limit = 48'000;

/// How much of what is long a page has room for. What it comes to shows when all is escaped: a page that is over its
/// limit is filled anew with half of each text, then with a quarter, and from there on with fewer rows as well.
class Room {
  public:
    static constexpr int fewest = 9; ///< the halvings after which any page is under the limit

    explicit Room(int halvings = 0) : halvings_(halvings) {}

    [[nodiscard]] std::size_t characters(std::size_t most) const { return halved(most, halvings_); }
    [[nodiscard]] std::size_t rows(std::size_t most) const { return halved(most, std::max(halvings_ - 2, 0)); }

  private:
    static std::size_t halved(std::size_t most, int times) { return std::max<std::size_t>(most >> times, 1); }

    int halvings_;
};

/// What a template is filled with, by name; a part of it once for each time it was added. Whatever is put in shows as
/// text: the template library escapes by what stands around it, and what could not be seen is made visible by text().
class PageValues {
  public:
    /// Text from anywhere. Control characters and marks that turn the direction of writing become `\x1b`, `\u202e`;
    /// line ends stay.
    void text(std::string_view name, std::string_view value);

    /// What is sent back or copied and not shown: a form's value, letter for letter.
    void value(std::string_view name, std::string_view value);

    void number(std::string_view name, std::int64_t value);

    /// Adds the part `name` of the template, which has values of its own and sees those around it.
    PageValues add(std::string_view name);

  private:
    friend class Page;
    explicit PageValues(ctemplate::TemplateDictionary& values) noexcept : values_(&values) {}

    ctemplate::TemplateDictionary* values_;
};

class Page {
  public:
    /// `name` is that of a template, without its suffix.
    explicit Page(std::string_view name);
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;
    ~Page();

    /// What the tab shows: its title, and the icon of a status or of no run.
    void title(std::string_view title, std::string_view icon);

    PageValues& values() noexcept { return values_; }

    /// The whole text.
    [[nodiscard]] std::string text() const;

  private:
    std::string name_;
    std::unique_ptr<ctemplate::TemplateDictionary> dictionary_;
    PageValues values_;
};

/// The page as an answer: never kept, and under a policy that lets it load nothing from elsewhere and be shown in no
/// other page.
Response page_response(status code, const Page& page);
Response page_response(status code, std::string text);

/// 303: go and GET that.
Response see_other(std::string_view location);

/// Text in one line or several as PageValues::text() shows it.
std::string visible(std::string_view text);

} // namespace pdpp::http
