/* The table of sub-commands. */

#include "command.h"

const struct command *const commands[] = {
	&command_store_create,
	&command_store_list,
	&command_store_show,
	&command_store_backend,
	&command_store_remove,
	&command_schema_check,
	&command_schema_show,
	&command_schema_install,
	&command_commit,
	&command_query,
	&command_events,
	&command_heads,
	&command_status,
	&command_sessions,
	&command_offline,
	&command_online,
	&command_sync,
	&command_refused_list,
	&command_refused_retry,
	&command_refused_drop,
	&command_verify,
	&command_rebuild,
	&command_dump,
	&command_export,
	&command_import,
	&command_run,
	NULL,
};

bool command_has_option(const struct command *command, enum option_id option) {
	if (option_is_common(option))
		return true;
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i] != OPTION_NONE; i++)
		if (command->options[i] == option)
			return true;
	return false;
}

bool call_has(const struct call *call, enum option_id option) {
	return call->values[option] != NULL;
}
