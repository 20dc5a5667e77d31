#include "cli/describe.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace pdpp::cli {

namespace json = boost::json;

namespace {

/// What --help names as the option's value: for people, such as FILE or text|json, or else its type with its choices.
std::string value_of(const CLI::Option& option) {
    if (option.get_items_expected_max() == 0) {
        return {}; // a flag
    }
    return option.get_option_text().empty() ? option.get_type_name() : option.get_option_text();
}

json::object describe_option(const CLI::Option& option) {
    json::array names;
    for (const auto& name : option.get_snames()) {
        names.emplace_back("-" + name);
    }
    for (const auto& name : option.get_lnames()) {
        names.emplace_back("--" + name);
    }
    return {{"names", std::move(names)},
            {"positional", option.get_positional() ? option.get_single_name() : std::string()},
            {"value", value_of(option)},
            {"text", option.get_description()},
            {"default", option.get_default_str()},
            {"required", option.get_required()}};
}

/// Options, those of option groups too, which are nameless commands; but for those that --help does not show.
void describe_options(const CLI::App& app, json::array& options) {
    const bool nameless = app.get_name().empty();
    for (const auto* const option : app.get_options()) {
        if (!option->get_group().empty() && !(nameless && option == app.get_help_ptr())) {
            options.push_back(describe_option(*option));
        }
    }
    for (const auto* const command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (command->get_name().empty()) {
            describe_options(*command, options);
        }
    }
}

json::object describe_command(const CLI::App& app) {
    json::array options;
    describe_options(app, options);
    json::array commands;
    for (const auto* const command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!command->get_name().empty() && !command->get_group().empty()) {
            commands.push_back(describe_command(*command));
        }
    }
    return {{"name", app.get_name()},
            {"description", app.get_description()},
            {"options", std::move(options)},
            {"commands", std::move(commands)},
            {"footer", app.get_footer()}};
}

} // namespace

std::string describe(const CLI::App& app, std::string_view version) {
    auto description = describe_command(app);
    description["version"] = version;
    return json::serialize(description) + "\n";
}

} // namespace pdpp::cli
