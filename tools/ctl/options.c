/* The words of options.h. */

#include "options.h"

const struct option_word option_words[OPTION_COUNT] = {
	[OPTION_HELP] = { "help", 'h', VALUE_NONE, NULL, "this text" },
	[OPTION_VERSION] = { "version", 'V', VALUE_NONE, NULL, "versions of the program, the protocol and the log's format" },
	[OPTION_SOCKET] = { "socket", 0, VALUE_FILE, "PATH",
	                    "the leader's socket (default: $LEADERD_SOCKET, else $XDG_RUNTIME_DIR/leaderd/socket)" },
	[OPTION_JSON] = { "json", 0, VALUE_NONE, NULL, "for programs: rows and events one object a line, else one object" },
	[OPTION_TIMEOUT] = { "timeout", 0, VALUE_TEXT, "S", "wait at most S seconds (0.5 is fine)" },
	[OPTION_SCHEMA] = { "schema", 0, VALUE_FILE, "FILE", "the schema of the new store" },
	[OPTION_BACKEND] = { "backend", 0, VALUE_TEXT, "URL", "the store's backend: file:/PATH, postgres://… or nats://…" },
	[OPTION_REPAIR] = { "repair", 0, VALUE_NONE, NULL,
	                    "write our confirmed events to a backend that lost the newest of them" },
	[OPTION_ADOPT] = { "adopt", 0, VALUE_NONE, NULL,
	                   "take the backend's history instead of ours; what it lacks becomes pending again" },
	[OPTION_PUSH_ONLY] = { "push-only", 0, VALUE_NONE, NULL, "go on pulling" },
	[OPTION_FORCE] = { "force", 0, VALUE_NONE, NULL, "without asking, and with everything in it" },
	[OPTION_ORDER] = { "order", 0, VALUE_NONE, NULL, "also try whether results depend on the order of rows" },
	[OPTION_JSONL] = { "jsonl", 0, VALUE_FILE, "FILE",
	                   "commit each line {\"name\":…,\"args\":{…}} of FILE, \"-\": of standard input; "
	                   "a name ending in .zst is decompressed" },
	[OPTION_SESSIONS] = { "sessions", 0, VALUE_TEXT, "N", "from N session processes at once (default 1)" },
	[OPTION_SHARD_BY] = { "shard-by", 0, VALUE_TEXT, "ARG",
	                      "lines with the same value of ARG go to one session, those without it to the first" },
	[OPTION_WAIT] = { "wait", 0, VALUE_STAGE, "STAGE", "until events are applied, durable (the default) or confirmed" },
	[OPTION_RECEIPTS] = { "receipts", 0, VALUE_NONE, NULL,
	                      "print {\"id\",\"position\",\"stage\"} of each event as it reaches the stage" },
	[OPTION_PARAM] = { "param", 0, VALUE_TEXT, "NAME=VALUE", "bind :NAME; may come again" },
	[OPTION_CSV] = { "csv", 0, VALUE_NONE, NULL, "comma-separated values with a heading (RFC 4180)" },
	[OPTION_SINCE] = { "since", 0, VALUE_TEXT, "P", "only what stands behind position P, such as e5 or e5.1" },
	[OPTION_UNTIL] = { "until", 0, VALUE_TEXT, "P", "only up to position P, P included" },
	[OPTION_NUMBER] = { "number", 'n', VALUE_TEXT, "N", "at most N events" },
	[OPTION_REVERSE] = { "reverse", 0, VALUE_NONE, NULL, "newest first" },
	[OPTION_FOLLOW] = { "follow", 'f', VALUE_NONE, NULL, "do not end, print what is new as it comes" },
	[OPTION_NAME] = { "name", 0, VALUE_TEXT, "NAME", "only events of this name" },
	[OPTION_CLIENT] = { "client", 0, VALUE_TEXT, "ID", "only events of the device with this client id" },
	[OPTION_CLIENT_ONLY] = { "include-client-only", 0, VALUE_NONE, NULL, "client-only events as well" },
	[OPTION_ALL] = { "all", 0, VALUE_NONE, NULL, "every one of them" },
	[OPTION_TO] = { "to", 0, VALUE_FILE, "FILE", "replay the log into a new file FILE and change nothing else" },
	[OPTION_ACCEPT_LOSS] = { "accept-loss", 0, VALUE_NONE, NULL,
	                         "go on with the log as it is, though the state knew of more events" },
	[OPTION_SYNCED] = { "synced", 0, VALUE_NONE, NULL, "without the tables of client-only events" },
	[OPTION_STORE] = { "store", 0, VALUE_TEXT, "NAME", "create this store first" },
	[OPTION_DATA_DIR] = { "data-dir", 0, VALUE_FOLDER, "D", "look into this data folder, without asking a leader" },
};

bool option_is_common(enum option_id option) {
	return option >= OPTION_HELP && option <= OPTION_JSON;
}
