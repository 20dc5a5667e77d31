// What the API's bodies look like, with examples. The tests check real answers, and the examples, against these
// schemas.

#include "http/routes/openapi.hpp"

namespace pdpp::http {

std::string_view openapi_components() {
    return R"json({
  "schemas": {
    "RunStatus": {
      "type": "object",
      "description": "What a handle resolves to. A status never goes back from an ending to active.",
      "required": [
        "object", "run_id", "status", "connector_id", "connector_instance_id", "trace_id", "admitted_at",
        "started_at", "completed_at", "cancel_requested_at", "terminal_reason", "failure", "links"
      ],
      "properties": {
        "object": {"const": "run_status"},
        "run_id": {"type": "string"},
        "status": {
          "enum": ["active", "completed", "failed", "cancelled", "abandoned"],
          "description": "active, or how the run ended"
        },
        "connector_id": {"type": "string"},
        "connector_instance_id": {"type": "string", "description": "the connection"},
        "trace_id": {"type": "string"},
        "admitted_at": {"$ref": "#/components/schemas/Timestamp"},
        "started_at": {"oneOf": [{"$ref": "#/components/schemas/Timestamp"}, {"type": "null"}]},
        "completed_at": {
          "oneOf": [{"$ref": "#/components/schemas/Timestamp"}, {"type": "null"}],
          "description": "when the run ended"
        },
        "cancel_requested_at": {
          "oneOf": [{"$ref": "#/components/schemas/Timestamp"}, {"type": "null"}],
          "description": "while active, when somebody asked for the end"
        },
        "terminal_reason": {"type": ["string", "null"]},
        "failure": {
          "oneOf": [{"$ref": "#/components/schemas/RunFailure"}, {"type": "null"}],
          "description": "of failed and abandoned runs"
        },
        "links": {
          "type": "object",
          "required": ["timeline"],
          "properties": {"timeline": {"type": "string", "format": "uri-reference"}}
        },
        "known_gaps": {"description": "as the connector reported it"},
        "known_gaps_summary": {"description": "as the connector reported it"}
      }
    },
    "RunList": {
      "type": "object",
      "required": ["object", "data", "has_more", "next_cursor"],
      "properties": {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/RunStatus"}},
        "has_more": {"type": "boolean"},
        "next_cursor": {"type": ["string", "null"], "description": "where to go on"}
      }
    },
    "RunStatusRow": {
      "type": "object",
      "description": "What one of the given handles resolves to. That of a null is null.",
      "required": ["ordinal", "run_id", "http_status", "body"],
      "properties": {
        "ordinal": {"type": "integer", "minimum": 1},
        "run_id": {"type": ["string", "null"]},
        "http_status": {"enum": [200, 404, null]},
        "body": {
          "oneOf": [
            {"$ref": "#/components/schemas/RunStatus"},
            {"$ref": "#/components/schemas/UnknownRun"},
            {"type": "null"}
          ]
        }
      }
    },
    "UnknownRun": {
      "type": "object",
      "description": "What a SQL function returns for a handle that was never handed out",
      "required": ["error"],
      "properties": {
        "error": {
          "type": "object",
          "required": ["type", "code", "message", "param"],
          "properties": {
            "type": {"const": "not_found_error"},
            "code": {"const": "not_found"},
            "message": {"type": "string", "description": "for people"},
            "param": {"const": "run_id"}
          }
        }
      }
    },
    "RpcError": {
      "type": "object",
      "required": ["code", "message", "details", "hint"],
      "properties": {
        "code": {"type": "string", "description": "PostgREST's, a SQLSTATE, or one of the other routes'"},
        "message": {"type": "string"},
        "details": {"type": ["string", "null"]},
        "hint": {"type": ["string", "null"]}
      }
    },
    "RunFailure": {
      "type": "object",
      "required": ["reason", "message", "origin", "connector_error_message"],
      "properties": {
        "reason": {"type": ["string", "null"]},
        "message": {"type": ["string", "null"]},
        "origin": {"type": ["string", "null"]},
        "connector_error_message": {"type": ["string", "null"]}
      }
    },
    "RunTimeline": {
      "type": "object",
      "required": [
        "object", "run_id", "trace_id", "terminal_status", "data", "event_count", "limit", "next_cursor",
        "truncated"
      ],
      "properties": {
        "object": {"const": "run_timeline"},
        "run_id": {"type": "string"},
        "trace_id": {"type": "string"},
        "terminal_status": {
          "enum": ["completed", "failed", "cancelled", "abandoned", null],
          "description": "how the run ended, whatever the page"
        },
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/RunEvent"}},
        "event_count": {"type": "integer", "description": "of this page"},
        "limit": {"type": "integer"},
        "next_cursor": {"type": ["string", "null"], "description": "where to go on"},
        "truncated": {"type": "boolean", "description": "there is more"},
        "pruned": {"type": "boolean", "description": "whether events of an older time were removed"}
      }
    },
    "RunEvent": {
      "type": "object",
      "required": ["event_seq", "event_id", "event_type", "occurred_at", "data"],
      "properties": {
        "event_seq": {"type": "integer", "minimum": 1},
        "event_id": {"type": "string"},
        "event_type": {"type": "string", "examples": ["run.admitted", "run.started", "run.completed"]},
        "occurred_at": {"$ref": "#/components/schemas/Timestamp"},
        "recorded_at": {"$ref": "#/components/schemas/Timestamp"},
        "data": {"type": "object"}
      }
    },
    "RunAck": {
      "type": "object",
      "description": "The handle: it resolves from now on, for ever.",
      "required": ["object", "run_id", "trace_id", "status", "links"],
      "properties": {
        "object": {"const": "run_ack"},
        "run_id": {"type": "string"},
        "trace_id": {"type": "string"},
        "status": {"const": "started"},
        "links": {
          "type": "object",
          "required": ["self", "timeline"],
          "properties": {
            "self": {"type": "string", "format": "uri-reference"},
            "timeline": {"type": "string", "format": "uri-reference"}
          }
        }
      }
    },
    "RunCancelAck": {
      "type": "object",
      "required": ["object", "run_id", "status"],
      "properties": {
        "object": {"const": "run_cancel_ack"},
        "run_id": {"type": "string"},
        "status": {"const": "cancel_requested"}
      }
    },
    "Error": {
      "type": "object",
      "required": ["error"],
      "properties": {
        "error": {
          "type": "object",
          "required": ["type", "code", "message", "request_id"],
          "description": "Clients key on code; further members say what a client needs to go on.",
          "properties": {
            "type": {
              "enum": [
                "invalid_request_error", "authentication_error", "permission_error", "not_found_error",
                "gone_error", "request_entity_too_large_error", "rate_limit_error", "api_error"
              ]
            },
            "code": {"type": "string"},
            "message": {"type": "string", "description": "for people"},
            "param": {"type": "string", "description": "the parameter that it is about"},
            "request_id": {"type": "string"}
          }
        }
      }
    },
    "Login": {"type": "object", "required": ["password"], "properties": {"password": {"type": "string"}}},
    "OpenApi": {"type": "object", "required": ["openapi"], "description": "OpenAPI 3.1"},
    "Timestamp": {
      "type": "string",
      "description": "UTC, three decimals",
      "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$"
    }
  },
  "parameters": {
    "RequestId": {
      "name": "Request-Id",
      "in": "header",
      "description": "The request's name, for the answer and the log; one is made if it is missing",
      "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"}
    },
    "Prefer": {
      "name": "Prefer",
      "in": "header",
      "description": "wait=N: at most N seconds for a status to change, or for an admitted run to end",
      "schema": {"type": "string", "examples": ["wait=30"]}
    },
    "RpcPrefer": {
      "name": "Prefer",
      "in": "header",
      "description": "count=exact: the number of all rows; handling=strict: an error for preferences that are unknown",
      "schema": {"type": "string", "examples": ["count=exact"]}
    },
    "IfNoneMatch": {
      "name": "If-None-Match",
      "in": "header",
      "description": "The entity tags of what the client has, or *; of streams not looked at",
      "schema": {"type": "string"}
    },
    "IfMatch": {
      "name": "If-Match",
      "in": "header",
      "description": "The entity tags of which there must be one now, or *; of streams not looked at",
      "schema": {"type": "string"}
    },
    "Limit": {
      "name": "limit",
      "in": "query",
      "description": "At most so many rows",
      "schema": {"type": "integer", "minimum": 0}
    },
    "Offset": {
      "name": "offset",
      "in": "query",
      "description": "Without so many rows at the beginning",
      "schema": {"type": "integer", "minimum": 0}
    },
    "Range": {
      "name": "Range",
      "in": "header",
      "description": "first-last or first-: these rows, of those that limit and offset leave, counted from 0",
      "schema": {"type": "string", "examples": ["0-9"]}
    },
    "LastEventId": {
      "name": "Last-Event-ID",
      "in": "header",
      "description": "Where a stream of events is resumed",
      "schema": {"type": "string"}
    }
  },
  "headers": {
    "Request-Id": {
      "description": "The request's name: the client's own if it was sane",
      "required": true,
      "schema": {"type": "string"}
    },
    "Allow": {"description": "The methods of the path", "schema": {"type": "string"}},
    "Cache-Control": {"description": "How long this is good: an ending for ever", "schema": {"type": "string"}},
    "Content-Range": {
      "description": "Which rows these are, and of how many, with * for what is not known or not there",
      "schema": {"type": "string", "examples": ["0-9/42"]}
    },
    "ETag": {"description": "The strong entity tag of the JSON", "schema": {"type": "string"}},
    "Link": {
      "description": "The timeline of the run",
      "schema": {"type": "string", "examples": ["</_ref/runs/run_demo/timeline>; rel=\"timeline\""]}
    },
    "Location": {"description": "The status of the run", "schema": {"type": "string", "format": "uri-reference"}},
    "Preference-Applied": {"description": "What was honoured of Prefer", "schema": {"type": "string"}},
    "Proxy-Status": {"description": "The code of the error", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}},
    "Set-Cookie": {"description": "The owner's session, or its end", "schema": {"type": "string"}},
    "Vary": {"description": "What decides on the answer beside its path", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}},
    "X-Accel-Buffering": {"description": "With a stream: no", "schema": {"const": "no"}},
    "traceparent": {"description": "The request's own, if the run is part of that trace", "schema": {"type": "string"}}
  },
  "securitySchemes": {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A session token, as `pdpp token` prints it"},
    "cookie": {
      "type": "apiKey",
      "in": "cookie",
      "name": "pdpp_owner_session",
      "description": "Set by POST /owner/login"
    }
  },
  "examples": {
    "Error.invalid_request": {
      "x-status": 400,
      "value": {
        "error": {
          "type": "invalid_request_error",
          "code": "invalid_request",
          "message": "limit must be a whole number from 1 to 5000.",
          "param": "limit",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.invalid_cursor": {
      "x-status": 400,
      "value": {
        "error": {
          "type": "invalid_request_error",
          "code": "invalid_cursor",
          "message": "The cursor is not one of this run's timeline",
          "param": "cursor",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.owner_session_required": {
      "x-status": 401,
      "x-headers": ["WWW-Authenticate"],
      "value": {
        "error": {
          "type": "authentication_error",
          "code": "owner_session_required",
          "message": "This needs the owner's session: log in at /owner/login, or send a bearer token.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.invalid_password": {
      "x-status": 401,
      "x-headers": ["WWW-Authenticate"],
      "value": {
        "error": {
          "type": "authentication_error",
          "code": "invalid_password",
          "message": "The password is wrong.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.origin_mismatch": {
      "x-status": 403,
      "value": {
        "error": {
          "type": "permission_error",
          "code": "origin_mismatch",
          "message": "This request comes from a page of another site.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.owner_login_disabled": {
      "x-status": 403,
      "value": {
        "error": {
          "type": "permission_error",
          "code": "owner_login_disabled",
          "message": "This server runs without an owner's password.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.append_only": {
      "x-status": 403,
      "value": {
        "error": {
          "type": "permission_error",
          "code": "append_only",
          "message": "pdpp.spine_events is append-only: an event of run run_demo cannot be changed",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.guarded_state": {
      "x-status": 403,
      "value": {
        "error": {
          "type": "permission_error",
          "code": "guarded_state",
          "message": "pdpp.connections cannot be truncated",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.not_found": {
      "x-status": 404,
      "value": {
        "error": {
          "type": "not_found_error",
          "code": "not_found",
          "message": "Run not found: run_never",
          "param": "run_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.connector_instance_not_found": {
      "x-status": 404,
      "value": {
        "error": {
          "type": "not_found_error",
          "code": "connector_instance_not_found",
          "message": "Connection not found: gmail",
          "param": "connector_instance_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.run_already_active": {
      "x-status": 409,
      "x-headers": ["Location"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_already_active",
          "message": "Connection gmail already has an active run",
          "param": "connector_instance_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab",
          "active_run_id": "run_01a202efc4227c0493c46ccc99284a31"
        }
      }
    },
    "Error.ambiguous_connection": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "ambiguous_connection",
          "message": "Connector gmail has several connections",
          "param": "connector_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab",
          "connector_instance_ids": ["gmail-anna", "gmail-ben"]
        }
      }
    },
    "Error.run_id_taken": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_id_taken",
          "message": "Run id is taken: run_demo",
          "param": "run_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.run_already_started": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_already_started",
          "message": "Run has already started: run_demo",
          "param": "run_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.run_already_terminal": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_already_terminal",
          "message": "Run has already ended as failed: run_demo",
          "param": "run_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab",
          "status": "failed"
        }
      }
    },
    "Error.run_not_settled": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_not_settled",
          "message": "run run_demo has not ended: its flight state cannot be removed",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.not_booted": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "not_booted",
          "message": "this session is not a controller: it has not booted",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.boot_lost": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "boot_lost",
          "message": "this boot has been declared dead: its runs are being ended",
          "param": "boot_epoch",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.run_superseded": {
      "x-status": 409,
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_superseded",
          "message": "Run has already ended as failed: run_demo",
          "param": "run_id",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab",
          "status": "failed"
        }
      }
    },
    "Error.method_not_allowed": {
      "x-status": 405,
      "x-headers": ["Allow"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "method_not_allowed",
          "message": "This path answers to GET, HEAD only.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.not_acceptable": {
      "x-status": 406,
      "x-headers": ["Vary"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "not_acceptable",
          "message": "This is available only as application/json, text/event-stream.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.precondition_failed": {
      "x-status": 412,
      "x-headers": ["ETag", "Vary"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "precondition_failed",
          "message": "What is there now has another entity tag than If-Match asks for.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.body_too_large": {
      "x-status": 413,
      "value": {
        "error": {
          "type": "request_entity_too_large_error",
          "code": "body_too_large",
          "message": "The request body is too large.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.event_too_large": {
      "x-status": 413,
      "value": {
        "error": {
          "type": "request_entity_too_large_error",
          "code": "event_too_large",
          "message": "data takes 70000 bytes as stored, more than pdpp.max_event_bytes allows",
          "param": "data",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.uri_too_long": {
      "x-status": 414,
      "value": {
        "error": {
          "type": "api_error",
          "code": "uri_too_long",
          "message": "The request target is too long.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.unsupported_media_type": {
      "x-status": 415,
      "value": {
        "error": {
          "type": "api_error",
          "code": "unsupported_media_type",
          "message": "The body must be application/json.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.host_not_allowed": {
      "x-status": 421,
      "value": {
        "error": {
          "type": "api_error",
          "code": "host_not_allowed",
          "message": "This server runs without an owner's password, and answers to names of this machine only.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.idempotency_conflict": {
      "x-status": 422,
      "value": {
        "error": {
          "type": "api_error",
          "code": "idempotency_conflict",
          "message": "The idempotency key was used with other arguments",
          "param": "idempotency_key",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.too_many_attempts": {
      "x-status": 429,
      "x-headers": ["Retry-After"],
      "value": {
        "error": {
          "type": "rate_limit_error",
          "code": "too_many_attempts",
          "message": "Too many wrong passwords. Try again later.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.headers_too_large": {
      "x-status": 431,
      "value": {
        "error": {
          "type": "api_error",
          "code": "headers_too_large",
          "message": "The request headers are too large.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.internal_error": {
      "x-status": 500,
      "value": {
        "error": {
          "type": "api_error",
          "code": "internal_error",
          "message": "Something went wrong here.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.database_unavailable": {
      "x-status": 503,
      "x-headers": ["Retry-After"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "database_unavailable",
          "message": "The database cannot be reached just now. Try again.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.run_busy": {
      "x-status": 503,
      "x-headers": ["Retry-After"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "run_busy",
          "message": "Another transaction holds what this needs. Nothing was done. Try again.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.too_many_connections": {
      "x-status": 503,
      "x-headers": ["Retry-After"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "too_many_connections",
          "message": "This server has too many connections just now. Try again.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "Error.in_doubt": {
      "x-status": 503,
      "x-headers": ["Retry-After"],
      "value": {
        "error": {
          "type": "api_error",
          "code": "in_doubt",
          "message": "The database was lost before it said whether this was done.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab",
          "run_id": "run_01a202efc4227c0493c46ccc99284a31",
          "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
          "idempotency_key": "order-7"
        }
      }
    },
    "Error.timeout": {
      "x-status": 504,
      "value": {
        "error": {
          "type": "api_error",
          "code": "timeout",
          "message": "The database did not answer in time.",
          "request_id": "req_0a1dae269bb903cb1b1c8e48248034ab"
        }
      }
    },
    "UnknownRun.not_found": {
      "value": {
        "error": {
          "type": "not_found_error",
          "code": "not_found",
          "message": "Run not found: run_never",
          "param": "run_id"
        }
      }
    },
    "RpcError.PGRST000": {
      "x-status": 503,
      "x-headers": ["Retry-After"],
      "value": {
        "code": "PGRST000",
        "details": null,
        "hint": null,
        "message": "The database cannot be reached just now. Try again."
      }
    },
    "RpcError.PGRST100": {
      "x-status": 400,
      "value": {
        "code": "PGRST100",
        "details": null,
        "hint": "Of the result only limit and offset can be chosen, where it has rows; filter and order it yourself.",
        "message": "\"order=run_id\" is not supported here"
      }
    },
    "RpcError.PGRST101": {
      "x-status": 405,
      "x-headers": ["Allow"],
      "value": {
        "code": "PGRST101",
        "details": null,
        "hint": null,
        "message": "Only OPTIONS, GET, HEAD and POST can be used on RPC"
      }
    },
    "RpcError.PGRST102": {
      "x-status": 400,
      "value": {
        "code": "PGRST102",
        "details": null,
        "hint": null,
        "message": "The body is not a JSON object."
      }
    },
    "RpcError.PGRST103": {
      "x-status": 416,
      "x-headers": ["Content-Range"],
      "value": {
        "code": "PGRST103",
        "details": "An offset of 9 was requested, but there are only 3 rows.",
        "hint": null,
        "message": "Requested range not satisfiable"
      }
    },
    "RpcError.PGRST106": {
      "x-status": 406,
      "value": {
        "code": "PGRST106",
        "details": null,
        "hint": "Only the following schemas are exposed: public",
        "message": "Invalid schema: private"
      }
    },
    "RpcError.PGRST107": {
      "x-status": 406,
      "value": {
        "code": "PGRST107",
        "details": null,
        "hint": null,
        "message": "None of these media types are available: text/csv"
      }
    },
    "RpcError.PGRST112": {
      "x-status": 500,
      "value": {
        "code": "PGRST112",
        "details": null,
        "hint": null,
        "message": "response.status setting must be a valid status code"
      }
    },
    "RpcError.PGRST116": {
      "x-status": 406,
      "value": {
        "code": "PGRST116",
        "details": "The result contains 2 rows",
        "hint": null,
        "message": "Cannot coerce the result to a single JSON object"
      }
    },
    "RpcError.PGRST122": {
      "x-status": 400,
      "value": {
        "code": "PGRST122",
        "details": "Invalid preferences: tx=rollback",
        "hint": null,
        "message": "Invalid preferences given with handling=strict"
      }
    },
    "RpcError.PGRST125": {
      "x-status": 404,
      "value": {
        "code": "PGRST125",
        "details": null,
        "hint": null,
        "message": "Invalid path specified in request URL"
      }
    },
    "RpcError.PGRST202": {
      "x-status": 404,
      "value": {
        "code": "PGRST202",
        "details": "Searched for the function public.pdpp_run_stat, but no matches were found in the schema cache.",
        "hint": "Perhaps you meant to call the function public.pdpp_run_status",
        "message": "Could not find the function public.pdpp_run_stat in the schema cache"
      }
    },
    "RpcError.PGRST301": {
      "x-status": 401,
      "x-headers": ["WWW-Authenticate"],
      "value": {
        "code": "PGRST301",
        "details": null,
        "hint": null,
        "message": "This needs the owner's session: log in at /owner/login, or send a bearer token."
      }
    },
    "RpcError.PGRST302": {
      "x-status": 401,
      "x-headers": ["WWW-Authenticate"],
      "value": {
        "code": "PGRST302",
        "details": null,
        "hint": null,
        "message": "This needs the owner's session: log in at /owner/login, or send a bearer token."
      }
    },
    "RpcError.PGRSTX00": {
      "x-status": 500,
      "value": {
        "code": "PGRSTX00",
        "details": null,
        "hint": null,
        "message": "Something went wrong here."
      }
    },
    "RpcError.PT409": {
      "x-status": 409,
      "value": {
        "code": "PT409",
        "details": "{\"code\": \"run_id_taken\", \"param\": \"run_id\"}",
        "hint": "Choose another run id, or leave it out to get one.",
        "message": "Run id is taken: run_demo"
      }
    },
    "RpcError.22023": {
      "x-status": 400,
      "value": {
        "code": "22023",
        "details": null,
        "hint": "Ask for them in several calls.",
        "message": "run_ids must not have more than 5000 elements"
      }
    },
    "RpcError.25006": {
      "x-status": 405,
      "x-headers": ["Allow"],
      "value": {
        "code": "25006",
        "details": null,
        "hint": "Use POST.",
        "message": "pdpp_run_now writes, and GET is read-only"
      }
    },
    "RpcError.55P03": {
      "x-status": 503,
      "x-headers": ["Retry-After"],
      "value": {
        "code": "55P03",
        "details": null,
        "hint": null,
        "message": "The database cannot do this just now. Try again."
      }
    },
    "RpcError.57014": {
      "x-status": 504,
      "value": {
        "code": "57014",
        "details": null,
        "hint": null,
        "message": "The database did not answer in time."
      }
    },
    "RunStatus.active": {
      "value": {
        "object": "run_status",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "status": "active",
        "connector_id": "gmail",
        "connector_instance_id": "gmail-anna",
        "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
        "admitted_at": "2026-11-22T09:03:36.540Z",
        "started_at": "2026-11-22T09:03:36.547Z",
        "completed_at": null,
        "cancel_requested_at": null,
        "terminal_reason": null,
        "failure": null,
        "links": {"timeline": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31/timeline"}
      }
    },
    "RunStatus.completed": {
      "value": {
        "object": "run_status",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "status": "completed",
        "connector_id": "gmail",
        "connector_instance_id": "gmail-anna",
        "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
        "admitted_at": "2026-11-22T09:03:36.540Z",
        "started_at": "2026-11-22T09:03:36.547Z",
        "completed_at": "2026-11-22T09:04:12.118Z",
        "cancel_requested_at": null,
        "terminal_reason": null,
        "failure": null,
        "links": {"timeline": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31/timeline"}
      }
    },
    "RunStatus.failed": {
      "value": {
        "object": "run_status",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "status": "failed",
        "connector_id": "gmail",
        "connector_instance_id": "gmail-anna",
        "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
        "admitted_at": "2026-11-22T09:03:36.540Z",
        "started_at": null,
        "completed_at": "2026-11-22T09:04:12.118Z",
        "cancel_requested_at": null,
        "terminal_reason": "launch_failed",
        "failure": {
          "reason": "launch_failed",
          "message": "not claimed by any controller by its launch deadline",
          "origin": null,
          "connector_error_message": null
        },
        "links": {"timeline": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31/timeline"}
      }
    },
    "RunStatus.cancelled": {
      "value": {
        "object": "run_status",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "status": "cancelled",
        "connector_id": "gmail",
        "connector_instance_id": "gmail-anna",
        "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
        "admitted_at": "2026-11-22T09:03:36.540Z",
        "started_at": "2026-11-22T09:03:36.547Z",
        "completed_at": "2026-11-22T09:04:12.118Z",
        "cancel_requested_at": null,
        "terminal_reason": "owner_cancelled",
        "failure": null,
        "links": {"timeline": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31/timeline"}
      }
    },
    "RunStatus.abandoned": {
      "value": {
        "object": "run_status",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "status": "abandoned",
        "connector_id": "gmail",
        "connector_instance_id": "gmail-anna",
        "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
        "admitted_at": "2026-11-22T09:03:36.540Z",
        "started_at": "2026-11-22T09:03:36.547Z",
        "completed_at": "2026-11-22T09:04:12.118Z",
        "cancel_requested_at": null,
        "terminal_reason": "controller_terminated",
        "failure": {
          "reason": "controller_terminated",
          "message": "controller host-7 terminated while the run was active",
          "origin": "controller",
          "connector_error_message": null
        },
        "links": {"timeline": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31/timeline"}
      }
    },
    "RunAck.started": {
      "value": {
        "object": "run_ack",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "trace_id": "trc_f177a0bdf9ee8974e9a003251c1e403d",
        "status": "started",
        "links": {
          "self": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31",
          "timeline": "/_ref/runs/run_01a202efc4227c0493c46ccc99284a31/timeline"
        }
      }
    },
    "RunCancelAck.requested": {
      "value": {
        "object": "run_cancel_ack",
        "run_id": "run_01a202efc4227c0493c46ccc99284a31",
        "status": "cancel_requested"
      }
    }
  }
})json";
}

} // namespace pdpp::http
