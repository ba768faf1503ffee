/*
 * Settings from options, file and environment.
 */

#include "leaderd/src/settings.h"

#include "leaderd/src/config.h"
#include "leaderd/src/paths.h"

static int load_config(struct settings *settings, struct config *ret, const struct options *options,
                       struct error *error) {
	struct error ignored;
	int r;

	*ret = (struct config){ .log_level = LOG_LEVEL_NOTICE };
	if (options->config) {
		r = paths_copy(settings->config, options->config, "--config", error);
		if (r == 0)
			r = config_read(ret, settings->config, error);
		settings->config_exists = r == 0;
		return r;
	}
	/* Without a home there is no default file, which is not an error by itself. */
	if (paths_config(settings->config, &ignored) < 0)
		return 0;
	r = config_read(ret, settings->config, error);
	settings->config_exists = r == 0;
	return r == ERROR_NOT_FOUND ? 0 : r;
}

static int choose_socket(struct settings *settings, const struct options *options, const struct config *config,
                         struct error *error) {
	int r;

	if (options->socket)
		r = paths_copy(settings->socket, options->socket, "--socket", error);
	else if (config->socket[0])
		r = paths_copy(settings->socket, config->socket, "socket", error);
	else
		r = paths_socket(settings->socket, error);
	return r < 0 ? r : paths_check_socket(settings->socket, error);
}

static int choose_data_dir(struct settings *settings, const struct options *options, const struct config *config,
                           struct error *error) {
	if (options->data_dir)
		return paths_copy(settings->data_dir, options->data_dir, "--data-dir", error);
	if (config->data_dir[0])
		return paths_copy(settings->data_dir, config->data_dir, "data-dir", error);
	return paths_data_dir(settings->data_dir, error);
}

int settings_load(struct settings *ret, const struct options *options, bool needs_socket, struct error *error) {
	struct settings settings = { 0 };
	struct config config;
	int r = load_config(&settings, &config, options, error);

	if (r == 0)
		r = choose_data_dir(&settings, options, &config, error);
	if (r == 0 && needs_socket)
		r = choose_socket(&settings, options, &config, error);
	if (r < 0)
		return r;
	settings.log_level = config.log_level;
	*ret = settings;
	return 0;
}

void settings_print(const struct settings *settings, FILE *to) {
	if (settings->config[0])
		fprintf(to, "# %s%s\n", settings->config, settings->config_exists ? "" : " (absent: these are the defaults)");
	fprintf(to, "[daemon]\ndata-dir = %s\nsocket = %s\nlog-level = %s\n", settings->data_dir, settings->socket,
	        config_log_level_name(settings->log_level));
}
