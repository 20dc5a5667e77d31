#pragma once
// What the operations of the mapping table and those of /rpc have in common in the OpenAPI document: references,
// headers, bodies with their examples, and errors. A reference is to a component, which is a member of `components`.

#include "http/wire/message.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http::openapi {

using Names = std::vector<std::string_view>;

std::string text(std::string_view a, std::string_view b, std::string_view c = {});

boost::json::object reference(std::string_view kind, std::string_view name);

/// Headers of an answer: what any has, and these.
boost::json::object headers(const Names& names);

/// `get` for GET.
std::string name_of(verb method);

/// A body of this schema with all of its examples. Throws std::logic_error if there is no such schema.
boost::json::object media(std::string_view schema, const boost::json::object& components);

/// References to all examples of a schema.
boost::json::object examples_of(std::string_view schema, const boost::json::object& components);

/// An answer that is one of these errors, with what their examples say that comes with them.
boost::json::object error_response(std::string_view schema, std::string_view description, const Names& codes,
                                   const boost::json::object& components);

/// There is no body in an answer to HEAD.
void remove_content(boost::json::object& responses);

/// These errors by their status: components, which whatever operations have the same errors share.
boost::json::object error_responses(std::string_view schema, const Names& codes, verb method,
                                    boost::json::object& components);

/// All errors that there is an example of, whatever their status.
boost::json::object any_error(std::string_view schema, std::string_view description, verb method,
                              boost::json::object& components);

} // namespace pdpp::http::openapi
