/* One prototype a handler, by the file that holds it. See http.h for what a handler is. */
#ifndef DIGITD_HANDLERS_H
#define DIGITD_HANDLERS_H

#include "server/http.h"

/* handle_health.c */
handler handle_livez;
handler handle_readyz;
handler handle_version;

/* handle_page.c */
handler handle_asset;

/* handle_predict.c */
handler handle_predict;

#endif
