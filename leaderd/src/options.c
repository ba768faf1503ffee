/*
 * The command line. getopt's own messages are off: a mistake is told like every
 * other failure.
 */

#include "leaderd/src/options.h"

#include <getopt.h>
#include <stddef.h>

enum { OPTION_DATA_DIR = 256, OPTION_SOCKET, OPTION_CONFIG, OPTION_CHECK_CONFIG };

static const struct option known[] = {
	{ "data-dir", required_argument, NULL, OPTION_DATA_DIR },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "check-config", no_argument, NULL, OPTION_CHECK_CONFIG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

const char *options_help(void) {
	return "usage: leaderd [--data-dir D] [--socket S] [--config F] [--check-config]\n"
		   "\n"
		   "Keeps the event logs of this user's programs, makes state of them, and serves\n"
		   "both to sessions over a Unix socket. Stays in the foreground, logs to stderr.\n"
		   "\n"
		   "  --data-dir D     where the stores are (default: $XDG_DATA_HOME/leaderd)\n"
		   "  --socket S       where to listen (default: $XDG_RUNTIME_DIR/leaderd/socket);\n"
		   "                   a socket that the service manager hands over goes first\n"
		   "  --config F       the configuration (default: $XDG_CONFIG_HOME/leaderd/leaderd.conf)\n"
		   "  --check-config   read the configuration, print what would be in force, and end\n"
		   "  -h, --help       this text\n"
		   "  -V, --version    versions of the program, the protocol and the log's format\n"
		   "\n"
		   "SIGTERM and SIGINT: answer what was read, then end; a second one ends at once.\n"
		   "SIGHUP: read the configuration again.\n"
		   "\n"
		   "Exit status: 0 ended as asked, 1 failure, 2 wrong usage or configuration,\n"
		   "4 something named is not there, 5 another leader has the data or the socket,\n"
		   "6 stored data is damaged.\n"
		   "\n"
		   "Examples:\n"
		   "  leaderd                                    the user's leader, in a terminal\n"
		   "  systemctl --user enable --now leaderd.socket\n"
		   "                                             the same, started when first asked for\n"
		   "  leaderd --data-dir ~/try/data --socket ~/try/run/socket\n"
		   "                                             a second one, beside it\n"
		   "  leaderd --config ~/try/leaderd.conf --check-config\n";
}

static int fail_on_word(const char *word, int reason, struct error *error) {
	if (reason == ':')
		return error_set(error, ERROR_INVALID, "the option %s came without its value; --help says more", word);
	return error_set(error, ERROR_INVALID, "the option %s is unknown, ambiguous, or takes no value; --help says more",
	                 word);
}

static int take_value(const char **ret, int option, struct error *error) {
	if (optarg[0] == '\0')
		return error_set(error, ERROR_INVALID, "the option --%s had an empty value",
		                 known[option - OPTION_DATA_DIR].name);
	*ret = optarg;
	return 0;
}

static int take_option(struct options *options, int option, const char *word, struct error *error) {
	switch (option) {
	case OPTION_DATA_DIR:
		return take_value(&options->data_dir, option, error);
	case OPTION_SOCKET:
		return take_value(&options->socket, option, error);
	case OPTION_CONFIG:
		return take_value(&options->config, option, error);
	case OPTION_CHECK_CONFIG:
		options->check_config = true;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case 'V':
		options->version = true;
		return 0;
	default:
		return fail_on_word(word, option, error);
	}
}

int options_parse(struct options *ret, int argc, char **argv, struct error *error) {
	struct options options = { 0 };
	int option, r;

	optind = 0; /* starts over, whoever parsed before */
	opterr = 0;
	for (;;) {
		int at = optind > 0 ? optind : 1;

		/* '+': a word ends the options, so that argv[at] is the one under way. */
		option = getopt_long(argc, argv, "+:hV", known, NULL);
		if (option < 0)
			break;
		r = take_option(&options, option, argv[at], error);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return error_set(error, ERROR_INVALID, "leaderd takes options only, and got \"%s\"; --help says more",
		                 argv[optind]);
	*ret = options;
	return 0;
}
