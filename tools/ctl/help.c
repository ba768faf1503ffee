/* Help; see help.h. */

#include "help.h"

#include <stdio.h>
#include <string.h>

#include <leaderd/session.h>

#include "output.h"

static void print_option(enum option_id option) {
	const struct option_word *word = &option_words[option];
	char left[64];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", word->letter ? "-" : "", word->letter ? word->letter : ' ',
	         word->letter ? ", " : "   ", word->name, word->value_name ? " " : "",
	         word->value_name ? word->value_name : "");
	printf("  %-26s %s\n", left, word->help);
}

void help_all(void) {
	printf("usage: leaderctl [--socket PATH] [--json] SUB-COMMAND ...\n"
	       "\n"
	       "Looks after the stores of leaderd: makes them, commits to them, reads them, checks them.\n"
	       "\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-16s %s\n", commands[i]->name, commands[i]->summary);
	printf("\nOptions of all of them:\n");
	for (int i = OPTION_NONE + 1; option_is_common(i); i++)
		print_option(i);
	printf("\n"
	       "Exit status: 0 done, 1 failure, 2 wrong usage, 3 no leader runs, 4 not found,\n"
	       "5 conflict or refused, 6 stored data is damaged.\n"
	       "\n"
	       "'leaderctl SUB-COMMAND --help' has details and an example of each.\n");
}

void help_command(const struct command *command) {
	printf("usage: leaderctl %s%s%s\n\n%s.\n", command->name, *command->synopsis ? " " : "", command->synopsis,
	       command->summary);
	if (command->details)
		printf("\n%s\n", command->details);
	printf("\nOptions:\n");
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i] != OPTION_NONE; i++)
		print_option(command->options[i]);
	for (int i = OPTION_NONE + 1; option_is_common(i); i++)
		if (i != OPTION_VERSION)
			print_option(i);
	printf("\nExample:\n%s\n", command->examples);
}

void help_version(bool json) {
	if (!json) {
		printf("leaderctl %s\n", lds_version());
		return;
	}
	output_json(json_pack("{s:s}", "version", lds_version()));
}
