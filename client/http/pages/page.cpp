// Templates, by ctemplate.

#include "http/pages/page.hpp"

#include "http/pages/files.hpp"
#include "http/runs/representation.hpp"
#include "text/text.hpp"

#include <page_files.hpp>

#include <ctemplate/template.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace pdpp::http {

namespace {

constexpr std::string_view escaping = R"({{%AUTOESCAPE context="HTML"}})";

std::string_view text_of_template(std::string_view name) {
    const auto* const found = std::ranges::find(embedded_templates, name, &EmbeddedTemplate::name);
    if (found == std::end(embedded_templates)) {
        throw std::logic_error("there is no template " + std::string{name});
    }
    return found->text;
}

ctemplate::TemplateString as_template_string(std::string_view text) {
    return {text.data(), text.size()};
}

/// All templates, read once, each between what all begin and end with.
ctemplate::TemplateCache& templates() {
    static ctemplate::TemplateCache cache;
    static const bool is_read = [] {
        for (const auto& each : embedded_templates) {
            if (each.name == "head" || each.name == "foot") {
                continue;
            }
            std::string text{escaping};
            text.append(text_of_template("head")).append(each.text).append(text_of_template("foot"));
            if (!cache.StringToTemplateCache(as_template_string(each.name), as_template_string(text),
                                             ctemplate::DO_NOT_STRIP)) {
                throw std::logic_error("the template " + std::string{each.name} + " cannot be read");
            }
        }
        return true;
    }();
    static_cast<void>(is_read);
    return cache;
}

} // namespace

std::string visible(std::string_view text) {
    std::string shown;
    for (;;) {
        const auto line = text.substr(0, text.find('\n'));
        shown += printable(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
        if (line.size() == text.size()) {
            return shown;
        }
        shown += '\n';
        text.remove_prefix(line.size() + 1);
    }
}

void PageValues::text(std::string_view name, std::string_view value) {
    values_->SetValue(as_template_string(name), visible(value));
}

void PageValues::value(std::string_view name, std::string_view value) {
    values_->SetValue(as_template_string(name), as_template_string(value));
}

void PageValues::number(std::string_view name, std::int64_t value) {
    values_->SetValue(as_template_string(name), std::to_string(value));
}

PageValues PageValues::add(std::string_view name) {
    return PageValues(*values_->AddSectionDictionary(as_template_string(name)));
}

Page::Page(std::string_view name)
    : name_(name), dictionary_(std::make_unique<ctemplate::TemplateDictionary>(as_template_string(name))),
      values_(*dictionary_) {
    values_.text("STYLE_FILE", path_of_file("page.css"));
    values_.text("SCRIPT_FILE", path_of_file("page.js"));
    values_.text("KIND", name);
    title("pdpp", "pdpp");
}

Page::~Page() = default;

void Page::title(std::string_view title, std::string_view icon) {
    values_.text("TITLE", title);
    values_.text("ICON_FILE", path_of_file("icon-" + std::string{icon} + ".svg"));
}

std::string Page::text() const {
    std::string text;
    if (!templates().ExpandWithData(as_template_string(name_), ctemplate::DO_NOT_STRIP, dictionary_.get(), nullptr,
                                    &text)) {
        throw std::logic_error("the template " + name_ + " cannot be filled");
    }
    return text;
}

namespace {

void add_page_headers(Response& response) {
    response.set(field::cache_control, "no-store");
    response.set(field::vary, varies_by);
    response.set("Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                 "form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    response.set("X-Content-Type-Options", "nosniff");
    // not less: without the page's origin a form of ours would be taken for one of another site
    response.set("Referrer-Policy", "same-origin");
    response.set("Cross-Origin-Opener-Policy", "same-origin");
}

} // namespace

Response page_response(status code, const Page& page) {
    return page_response(code, page.text());
}

Response page_response(status code, std::string text) {
    Response response{code, 11};
    response.set(field::content_type, "text/html; charset=utf-8");
    add_page_headers(response);
    response.body() = std::move(text);
    response.content_length(response.body().size());
    return response;
}

Response see_other(std::string_view location) {
    Response response{status::see_other, 11};
    response.set(field::location, location);
    add_page_headers(response);
    response.content_length(0);
    return response;
}

} // namespace pdpp::http
