#ifndef LEADERCTL_COMMAND_H
#define LEADERCTL_COMMAND_H

/*
 * A sub-command is one struct in a file of its own, and one line in the table
 * (command.c). Parsing, --help, the suggestions for what is misspelt and the
 * bash completion are made from the two, so none of them can be forgotten.
 *
 * What a sub-command returns is the program's exit status; whoever meets a
 * failure first reports it (report.h) and returns its status.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

#define WORDS_MAX 4
#define COMMAND_OPTIONS_MAX 12

struct command;

/* One command line, as words. */
struct call {
	const struct command *command;
	const char *values[OPTION_COUNT]; /* borrowed from argv; a flag's is ""; NULL: not given */
	const char **parameters;          /* owned; the value of every --param */
	size_t n_parameters;
	char **words; /* borrowed from argv, NULL-terminated */
	int n_words;
	bool json;
	int timeout_ms; /* of --timeout or the command's own; negative: for ever */
};

struct command {
	const char *name;     /* one word or two: "verify", "store create" */
	const char *synopsis; /* what follows the name */
	const char *summary;  /* one line */
	const char *details;  /* for --help; NULL: the summary says it all */
	const char *examples; /* lines of a shell */
	const char *words[WORDS_MAX]; /* what its words are, as in the synopsis; NULL-terminated */
	int n_required;       /* of the words */
	bool repeats;         /* the last word may come again */
	bool is_wrapper;      /* options end at the first word, which is somebody else's command line */
	unsigned char options[COMMAND_OPTIONS_MAX]; /* enum option_id, beside those that all have; ends with OPTION_NONE */
	int timeout_s;        /* unless --timeout says otherwise; 0: for ever; meaningful with OPTION_TIMEOUT */
	int (*run)(const struct call *call);
};

/* All of them, in the order of the help; NULL-terminated. */
extern const struct command *const commands[];

bool command_has_option(const struct command *command, enum option_id option);
bool call_has(const struct call *call, enum option_id option);

extern const struct command command_store_create;
extern const struct command command_store_list;
extern const struct command command_store_show;
extern const struct command command_store_backend;
extern const struct command command_store_remove;
extern const struct command command_schema_check;
extern const struct command command_schema_show;
extern const struct command command_schema_install;
extern const struct command command_commit;
extern const struct command command_query;
extern const struct command command_events;
extern const struct command command_heads;
extern const struct command command_status;
extern const struct command command_sessions;
extern const struct command command_offline;
extern const struct command command_online;
extern const struct command command_sync;
extern const struct command command_refused_list;
extern const struct command command_refused_retry;
extern const struct command command_refused_drop;
extern const struct command command_verify;
extern const struct command command_rebuild;
extern const struct command command_dump;
extern const struct command command_export;
extern const struct command command_import;
extern const struct command command_run;

#endif
