#ifndef LEADERCTL_OPTIONS_H
#define LEADERCTL_OPTIONS_H

/* Every option of every sub-command; a name means the same everywhere. */

#include <stdbool.h>
#include <stddef.h>

enum option_id {
	OPTION_NONE,
	/* All sub-commands have these. */
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_SOCKET,
	OPTION_JSON,
	/* And some have: */
	OPTION_TIMEOUT,
	OPTION_SCHEMA,
	OPTION_BACKEND,
	OPTION_REPAIR,
	OPTION_ADOPT,
	OPTION_PUSH_ONLY,
	OPTION_FORCE,
	OPTION_ORDER,
	OPTION_JSONL,
	OPTION_SESSIONS,
	OPTION_SHARD_BY,
	OPTION_WAIT,
	OPTION_RECEIPTS,
	OPTION_PARAM,
	OPTION_CSV,
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_NUMBER,
	OPTION_REVERSE,
	OPTION_FOLLOW,
	OPTION_NAME,
	OPTION_CLIENT,
	OPTION_CLIENT_ONLY,
	OPTION_ALL,
	OPTION_TO,
	OPTION_ACCEPT_LOSS,
	OPTION_SYNCED,
	OPTION_STORE,
	OPTION_DATA_DIR,
	OPTION_COUNT
};

/* What stands behind an option, for completion. */
enum option_value { VALUE_NONE, VALUE_TEXT, VALUE_FILE, VALUE_FOLDER, VALUE_STORE, VALUE_STAGE };

struct option_word {
	const char *name; /* without its dashes */
	char letter;      /* 0: none */
	enum option_value value;
	const char *value_name; /* NULL: a flag */
	const char *help;
};

extern const struct option_word option_words[OPTION_COUNT];

bool option_is_common(enum option_id option);

#endif
