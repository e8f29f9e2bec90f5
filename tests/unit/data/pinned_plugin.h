/* What the plugin with pinned memory was asked for; exported by it as pinned_plugin_counts. */
#ifndef CRESSET_TESTS_PINNED_PLUGIN_H
#define CRESSET_TESTS_PINNED_PLUGIN_H

typedef struct pinned_counts {
    int made, freed; /* pieces of pinned memory */
    int direct;      /* copies from it */
    int plain;       /* other copies to the device, of 64 bytes or more */
} pinned_counts;

#endif
