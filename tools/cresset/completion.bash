# Completion of cresset for bash; tests/cli/manual.sh holds it to what the program says of itself.
_cresset() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "train eval predict convert summary backends ops bench conform version --help --version" -- "$word")
        return
    fi
    case $before in
        --data | --out | --samples) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --backend) mapfile -t COMPREPLY < <(compgen -W "cpu onednn vulkan" -- "$word"); return ;;
        --level) mapfile -t COMPREPLY < <(compgen -W "memory primitives full" -- "$word"); return ;;
    esac
    case ${COMP_WORDS[1]} in
        train) options="--epochs --batch-size --lr --name --force --out --data --seed --backend --threads --limit lenet" ;;
        eval) options="--data --train --backend" ;;
        predict) options="--index --data --backend" ;;
        convert) options="--name" ;;
        summary) options="lenet" ;;
        backends) options="--coverage" ;;
        ops) options="--coverage --page" ;;
        bench) options="--only --threads" ;;
        conform) options="--backend --level --op --seed --samples --second-derivatives --json" ;;
    esac
    case ${COMP_WORDS[1]}:$word in
        *:-* | train:* | summary:*) mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}
complete -F _cresset cresset
