#include "supervisor/manual.h"

#include <string.h>

/* %P is the program's name. Each asks it with the words typed so far. */

static const char bash_script[] =
    "# bash completion of %P; printed by '%P completion bash'\n"
    "_%P() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} quote= c i word typed kept=\n"
    "    local -a words=('') found=()\n"
    "    # COMP_WORDS parts words at colons too; and those here are without their "
    "quotes.\n"
    "    for ((i = 0; i < ${#line}; i++)); do\n"
    "        c=${line:i:1}\n"
    "        case $quote$c in\n"
    "        \\\\?) words[-1]+=$c quote= ;;\n"
    "        \"''\" | '\"\"') quote= ;;\n"
    "        [\\'\\\"]?) words[-1]+=$c ;;\n"
    "        [\\'\\\"\\\\]) quote=$c ;;\n"
    "        [[:space:]]) [[ -z ${words[-1]} ]] || words+=('') ;;\n"
    "        *) words[-1]+=$c ;;\n"
    "        esac\n"
    "    done\n"
    "    typed=${words[-1]}\n"
    "    # What is behind a colon or '=' is replaced alone, unless it is in quotes.\n"
    "    if [[ -z $quote ]]; then\n"
    "        [[ $COMP_WORDBREAKS != *=* || $typed != --*=* ]] || kept=${typed%%=*}=\n"
    "        [[ $COMP_WORDBREAKS != *:* || $typed != *:* ]] || "
    "kept=${typed%\"${typed##*:}\"}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r word _; do\n"
    "        case $word in\n"
    "        :files | :folders)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            [[ $typed != --*=* ]] || typed=${typed#*=}\n"
    "            if [[ $word = :files ]]; then\n"
    "                mapfile -t found < <(compgen -f -- \"$typed\")\n"
    "            else\n"
    "                mapfile -t found < <(compgen -d -- \"$typed\")\n"
    "            fi\n"
    "            COMPREPLY=(\"${found[@]}\")\n"
    "            ;;\n"
    "        ?*)\n"
    "            [[ $word != *= ]] || compopt -o nospace 2>/dev/null\n"
    "            word=${word#\"$kept\"}\n"
    "            [[ -n $quote ]] || printf -v word %q \"$word\"\n"
    "            COMPREPLY+=(\"$word\")\n"
    "            ;;\n"
    "        esac\n"
    "    done < <(\"${words[0]/#\\~/$HOME}\" complete \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _%P %P\n";

static const char zsh_script[] =
    "#compdef %P\n"
    "# zsh completion of %P; printed by '%P completion zsh'\n"
    "_%P() {\n"
    "    local line\n"
    "    local -a lines found more\n"
    "    lines=(\"${(@f)$(\"${(Q)words[1]}\" complete \"${(@Q)words[2,CURRENT-1]}\" "
    "\\\n"
    "        \"${(Q)PREFIX}\" 2>/dev/null)}\")\n"
    "    for line in $lines; do\n"
    "        [[ $line != *=$'\\t'* ]] || more=(-S '')\n"
    "        case $line in\n"
    "        :files) compset -P '--*=' ; _files ;;\n"
    "        :folders) compset -P '--*=' ; _files -/ ;;\n"
    "        ?*) found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( ! $#found )) || _describe %P found \"$more[@]\"\n"
    "}\n"
    "if [[ $funcstack[1] = _%P ]]; then\n"
    "    _%P \"$@\"\n"
    "else\n"
    "    compdef _%P %P\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion of %P; printed by '%P completion fish'\n"
    "function __%P_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l typed (commandline -ct)\n"
    "    set -l plain (string unescape -- \"$typed\")\n"
    "    or set plain (string trim --left --chars '\"\\'' -- \"$typed\")\n"
    "    set -l option (string match --regex -- '^--[^=]*=' \"$plain\")\n"
    "    set -l path (string replace -- \"$option\" '' \"$plain\")\n"
    "    for line in (command $words[1] complete $words[2..-1] \"$plain\" "
    "2>/dev/null)\n"
    "        switch $line\n"
    "            case :files\n"
    "                printf '%s\\n' \"$option\"(__fish_complete_path \"$path\")\n"
    "            case :folders\n"
    "                printf '%s\\n' \"$option\"(__fish_complete_directories "
    "\"$path\")\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c %P -f -a '(__%P_complete)'\n";

bool manual_print_completion(const char *program, const char *shell, FILE *out)
{
    const char *script = strcmp(shell, "bash") == 0   ? bash_script
                         : strcmp(shell, "zsh") == 0  ? zsh_script
                         : strcmp(shell, "fish") == 0 ? fish_script
                                                      : NULL;

    if (script == NULL)
        return false;
    for (const char *next; (next = strstr(script, "%P")) != NULL; script = next + 2) {
        fwrite(script, 1, (size_t)(next - script), out);
        fputs(program, out);
    }
    fputs(script, out);
    return true;
}
