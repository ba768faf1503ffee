/*
 * leaderctl: administration of leaderd's stores from a shell. Which sub-command
 * it is and what it was given is parse.c's; what they are is command.c's.
 */

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "completion.h"
#include "output.h"
#include "parse.h"
#include "report.h"

/* Characters as the user's terminal has them, numbers as programs read them. */
static void set_locale(void) {
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv) {
	struct call call;
	int r;

	set_locale();
	if (argc == 2 && strcmp(argv[1], COMPLETION_WORD) == 0) {
		completion_print_bash();
		return output_finish();
	}
	r = call_parse(&call, argc, argv);
	if (r == 0)
		r = call.command->run(&call);
	call_finish(&call);
	if (r < 0)
		r = STATUS_OK; /* help was all that was asked for */
	return r == STATUS_OK ? output_finish() : (output_finish(), r);
}
