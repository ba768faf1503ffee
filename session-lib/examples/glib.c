/*
 * A session as a GLib source: prepare, check and dispatch map to the library's
 * descriptor, deadline and process. Prints the names of the tables that change.
 *
 *   glib STORE
 *
 *   cc glib.c $(pkg-config --cflags --libs leaderd-session glib-2.0) -o glib
 */

#include <stdio.h>

#include <glib.h>
#include <leaderd/session.h>

struct session_source {
	GSource source;
	GPollFD poll_fd;
	gboolean is_polled;
	struct lds_session *session;
};

/* The descriptor may have changed since the last turn. */
static void follow_descriptor(struct session_source *source) {
	int fd = lds_get_fd(source->session);

	if (source->is_polled && fd != source->poll_fd.fd) {
		g_source_remove_poll(&source->source, &source->poll_fd);
		source->is_polled = FALSE;
	}
	source->poll_fd.fd = fd;
	source->poll_fd.events = (gushort)lds_get_events(source->session);
	if (!source->is_polled && fd >= 0) {
		g_source_add_poll(&source->source, &source->poll_fd);
		source->is_polled = TRUE;
	}
}

static gboolean prepare(GSource *base, gint *timeout_ms) {
	struct session_source *source = (struct session_source *)base;
	guint64 deadline = lds_get_deadline(source->session), now = (guint64)g_get_monotonic_time();

	follow_descriptor(source);
	if (deadline == UINT64_MAX)
		*timeout_ms = -1;
	else
		*timeout_ms = deadline <= now ? 0 : (gint)((deadline - now + 999) / 1000);
	return deadline <= now;
}

static gboolean check(GSource *base) {
	struct session_source *source = (struct session_source *)base;

	if (source->is_polled && source->poll_fd.revents)
		return TRUE;
	return lds_get_deadline(source->session) <= (guint64)g_get_monotonic_time();
}

static gboolean dispatch(GSource *base, GSourceFunc callback, gpointer data) {
	struct session_source *source = (struct session_source *)base;

	(void)callback;
	(void)data;
	if (lds_process(source->session) < 0)
		g_printerr("%s\n", lds_last_error(source->session));
	return G_SOURCE_CONTINUE;
}

static void finalize(GSource *base) {
	lds_close(((struct session_source *)base)->session);
}

static void on_tables(struct lds_session *session, const char *const *tables, size_t n_tables, void *data) {
	(void)session;
	(void)data;
	for (size_t i = 0; i < n_tables; i++)
		g_print("%s changed\n", tables[i]);
}

int main(int argc, char **argv) {
	static GSourceFuncs functions = { .prepare = prepare, .check = check, .dispatch = dispatch, .finalize = finalize };
	struct lds_options options = { .size = sizeof(options) };
	struct lds_session *session = NULL;
	struct session_source *source;
	GMainLoop *loop;
	char error[512];

	if (argc != 2) {
		g_printerr("usage: %s STORE\n", argv[0]);
		return 2;
	}
	options.store = argv[1];
	if (lds_open(&session, &options, error, sizeof(error)) < 0) {
		g_printerr("%s\n", error);
		return 1;
	}
	lds_subscribe(session, NULL, 0, on_tables, NULL, NULL);
	source = (struct session_source *)g_source_new(&functions, sizeof(*source));
	source->session = session;
	g_source_attach(&source->source, NULL);
	loop = g_main_loop_new(NULL, FALSE);
	g_main_loop_run(loop);
	return 0;
}
