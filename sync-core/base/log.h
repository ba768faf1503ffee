#ifndef LEADERD_BASE_LOG_H
#define LEADERD_BASE_LOG_H

/*
 * Log front end. A level means an action: error, someone must look; warning,
 * we coped; notice, a life cycle event; debug. Fields come before prose
 * (store= session= seq=), and an event's arguments never appear.
 *
 * Library code reports through struct error and stays silent; programs set a
 * sink. Without a sink nothing is written.
 */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

typedef void (*log_sink)(enum log_level level, const char *line, void *data);

/* The one piece of file-level state in the project. NULL turns logging off. */
void log_set_sink(log_sink sink, void *data, enum log_level up_to);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
