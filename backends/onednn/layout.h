/* The backend's private layouts (cr_plan_info says what a private layout is): images whose channels lie in blocks, and
 * weights as a primitive chose them. A tag of images names the block alone, so that it fits any dtype and size. */
#ifndef CRESSET_BACKENDS_ONEDNN_LAYOUT_H
#define CRESSET_BACKENDS_ONEDNN_LAYOUT_H

#include "onednn.h"

/* Images [n, channels, spatial…] of 1 to 3 spatial dimensions as they lie: [n][blocks][positions][block]. */
typedef struct dn_grid {
    int64_t n, blocks, size[3], positions, block; /* size: absent dimensions are 1, in front */
} dn_grid;

/* How a value with the tag lies; tag 0 fits where a row-major value lies the same way, in blocks of `block` (positions is
 * 1). False for others. */
bool dn_grid_of(const cr_meta *meta, int64_t block, dn_grid *grid);
/* The block of the value's tag, 0 where it has none of images. */
int64_t dn_block_of(const cr_meta *meta);

/* The tag that stands for what a primitive chose for images of the meta's sizes, n of them: 0 for row-major, -1 for what
 * has none. */
int64_t dn_tag_of(const dn_md *chosen, const cr_meta *meta, int64_t n);
/* How those n images lie, whatever their number of channels: absent ones fill the last block. False for other layouts. */
bool dn_grid_chosen(const dn_md *chosen, const cr_meta *meta, int64_t n, dn_grid *grid);
/* The descriptor of n images with the value's tag. */
dnnl_status_t dn_md_of_tag(dn_md *md, const cr_meta *meta, int64_t n);

/* The input as a plan should see it: where it is in layout 0 and `as`, of the same channels, is not, the core is asked for a
 * copy with that tag. */
cr_meta dn_brought_in(const cpu_call *call, uint32_t input, const cr_meta *as);

/* The tag of weights; 0 when there is no room for another. */
uint64_t dn_tag_of_weights(const dn_md *chosen, int64_t groups);
void dn_forget_weights(void);
/* The descriptor of weights as they are, with groups as a dimension of their own. */
dnnl_status_t dn_md_of_weights(dn_md *md, const cr_meta *w, int64_t groups);

#endif
