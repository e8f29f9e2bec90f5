# shellcheck shell=bash
# Sourced by the tests here: the command line tests' words, and whether a device is there.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
"$cresset" backends 2>/dev/null | grep -q '^  vulkan ' || { echo "no Vulkan device on this machine" >&2; exit 77; }

# Has the validation layer watch what follows, synchronisation included; false where it is not installed.
watch() {
    compgen -G '/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json' >/dev/null ||
        { echo "no validation layer on this machine (Debian: vulkan-validationlayers)" >&2; return 1; }
    export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
    export VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
    export VK_LOADER_DEBUG=error
    VK_LOADER_DEBUG=layer "$cresset" backends 2>&1 | grep -q 'Insert instance layer "VK_LAYER_KHRONOS_validation"' ||
        complain "the validation layer was not loaded"
}

# The layer had nothing to say about the last command.
silent() { grep -hE 'Validation|VUID|SYNC-HAZARD|UNASSIGNED' out err >&2 && complain "the validation layer spoke"; }
