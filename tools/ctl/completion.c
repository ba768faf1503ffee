/*
 * The bash completion. The frame is fixed; what it offers for each sub-command
 * comes from the table. Store names are asked of the leader, if one runs.
 */

#include "completion.h"

#include <stdio.h>
#include <string.h>

#include "command.h"

static const char frame_top[] =
	"# bash completion for leaderctl, made by leaderctl " COMPLETION_WORD "\n"
	"\n"
	"_leaderctl_stores() {\n"
	"\tlocal line\n"
	"\tleaderctl store list ${1:+--socket \"$1\"} --timeout 1 2>/dev/null | while read -r line; do\n"
	"\t\t[[ $line == STORE\\ * ]] || echo \"${line%% *}\"\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_leaderctl_offer() {\n"
	"\tcase $1 in\n"
	"\tFILE) COMPREPLY=($(compgen -f -- \"$2\")) ;;\n"
	"\tFOLDER) COMPREPLY=($(compgen -d -- \"$2\")) ;;\n"
	"\tSTORE) COMPREPLY=($(compgen -W \"$(_leaderctl_stores \"$socket\")\" -- \"$2\")) ;;\n"
	"\tSTAGE) COMPREPLY=($(compgen -W 'applied durable confirmed' -- \"$2\")) ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_leaderctl() {\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal socket= name= kinds= options= n=0 i word\n"
	"\tlocal -a words=()\n"
	"\tCOMPREPLY=()\n"
	"\tcompopt -o default 2>/dev/null\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t--socket) socket=${COMP_WORDS[++i]} ;;\n";

static const char frame_middle[] =
	"\t\t-*) ;;\n"
	"\t\t*) words+=(\"$word\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tcase \"${words[0]} ${words[1]}\" in\n";

static const char frame_bottom[] =
	"\tesac\n"
	"\tcase $previous in\n";

static const char frame_end[] =
	"\tesac\n"
	"\tif [[ $current == -* ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tset -- $kinds\n"
	"\tshift $((${#words[@]} - n)) 2>/dev/null && _leaderctl_offer \"${1-}\" \"$current\"\n"
	"}\n"
	"\n"
	"complete -F _leaderctl leaderctl\n";

static const char *kind_of(enum option_value value) {
	switch (value) {
	case VALUE_FILE:
		return "FILE";
	case VALUE_FOLDER:
		return "FOLDER";
	case VALUE_STORE:
		return "STORE";
	case VALUE_STAGE:
		return "STAGE";
	default:
		return NULL;
	}
}

static void print_options(const struct command *command) {
	for (int i = OPTION_NONE + 1; i < OPTION_COUNT; i++)
		if (command ? command_has_option(command, i) : option_is_common(i))
			printf(" --%s", option_words[i].name);
}

/* Options whose value is the next word, so that it is not taken for one of the words. */
static void print_option_arms(void) {
	const char *bar = "\t\t";

	for (int i = OPTION_NONE + 1; i < OPTION_COUNT; i++) {
		if (!option_words[i].value_name || i == OPTION_SOCKET)
			continue;
		printf("%s--%s", bar, option_words[i].name);
		bar = " | ";
		if (option_words[i].letter)
			printf(" | -%c", option_words[i].letter);
	}
	printf(") ((i++)) ;;\n");
}

static void print_words(const struct command *command) {
	for (int i = 0; i < WORDS_MAX && command->words[i]; i++) {
		bool is_store = strcmp(command->words[i], "STORE") == 0 ||
		                (strcmp(command->words[i], "NAME") == 0 && strcmp(command->name, "store create") != 0);

		printf(" %s", is_store ? "STORE" : strcmp(command->words[i], "FILE") == 0 ? "FILE" : "OTHER");
	}
}

static void print_command_arm(const struct command *command) {
	bool has_space = strchr(command->name, ' ') != NULL;

	printf("\t%s\"%s\"%s) n=%d name='%s' kinds='", "", command->name, has_space ? "" : "\\ *", has_space ? 2 : 1,
	       command->name);
	print_words(command);
	printf("' options='");
	print_options(command);
	printf("' ;;\n");
}

/* "store" alone: what may follow it. */
static void print_group_arms(void) {
	for (size_t i = 0; commands[i]; i++) {
		const char *space = strchr(commands[i]->name, ' ');
		size_t n = space ? (size_t)(space - commands[i]->name) + 1 : 0;

		if (!space || (i > 0 && strncmp(commands[i - 1]->name, commands[i]->name, n) == 0))
			continue;
		printf("\t\"%.*s\"*) COMPREPLY=($(compgen -W '", (int)n, commands[i]->name);
		for (size_t k = 0; commands[k]; k++)
			if (strncmp(commands[k]->name, commands[i]->name, n) == 0)
				printf("%s ", commands[k]->name + n);
		printf("' -- \"$current\")) && return ;;\n");
	}
}

/* Nothing yet: the first words of all. */
static void print_first_arm(void) {
	printf("\t' ') COMPREPLY=($(compgen -W '");
	for (size_t i = 0; commands[i]; i++) {
		size_t n = strcspn(commands[i]->name, " ");

		if (i == 0 || strncmp(commands[i - 1]->name, commands[i]->name, n) != 0 || commands[i - 1]->name[n] != ' ')
			printf("%.*s ", (int)n, commands[i]->name);
	}
	print_options(NULL);
	printf("' -- \"$current\")) && return ;;\n");
}

static void print_value_arms(void) {
	for (int i = OPTION_NONE + 1; i < OPTION_COUNT; i++) {
		const char *kind = kind_of(option_words[i].value);

		if (kind)
			printf("\t--%s) _leaderctl_offer %s \"$current\"; return ;;\n", option_words[i].name, kind);
	}
}

void completion_print_bash(void) {
	fputs(frame_top, stdout);
	print_option_arms();
	fputs(frame_middle, stdout);
	for (size_t i = 0; commands[i]; i++)
		print_command_arm(commands[i]);
	print_group_arms();
	print_first_arm();
	fputs(frame_bottom, stdout);
	print_value_arms();
	fputs(frame_end, stdout);
}
