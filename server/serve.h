/* The command `digitd serve`: configuration, start, end. */
#ifndef DIGITD_SERVE_H
#define DIGITD_SERVE_H

/* argv[0] is "serve". Serves until SIGTERM or SIGINT; returns the exit code. Call it before other threads start. */
int serve_main(int argc, char **argv);

#endif
