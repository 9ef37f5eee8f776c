# ruff: noqa: E501 - a row of a table stays on one line
"""What kinds of edit can do to a running system: a table of edits, each with the effects it can have.

The table is knowledge about code in general, of no one language or shop. `gain` edits count a pattern that the
new lines have more often than the old ones, `loss` edits the reverse, `touch` edits any line changed that speaks
of a matter. Must not know any fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from playbooks.change_effects import Effect as E  # noqa: N817 - the rows below name it a thousand times
from playbooks.diffs import Role

Side = Literal["gain", "loss", "touch"]
Effects = Mapping[E, float]


@dataclass(frozen=True, slots=True)
class Edit:
    """A kind of edit: how it is recognised, what it says, what it can do, and the cause it would be.

    `slow`: its effect may take hours to show.
    """

    name: str
    side: Side
    pattern: re.Pattern[str]
    says: str
    effects: Effects
    cause: str
    slow: bool = False
    roles: frozenset[Role] | None = None


_DB: Effects = {
    E.DATABASE: 1.0,
    E.LATENCY: 0.9,
    E.CPU: 0.5,
    E.TIMEOUT: 0.6,
    E.POOL: 0.45,
    E.MEMORY: 0.35,
    E.ERRORS: 0.3,
}
_LEAK: Effects = {E.MEMORY: 1.0, E.CRASH: 0.7, E.LATENCY: 0.3, E.ERRORS: 0.3, E.CPU: 0.25}
_LOCKS: Effects = {
    E.LOCK: 1.0,
    E.DATABASE: 0.6,
    E.LATENCY: 0.8,
    E.TIMEOUT: 0.7,
    E.POOL: 0.5,
    E.ERRORS: 0.5,
    E.QUEUE: 0.4,
}
_BREAKS: Effects = {E.NULL: 1.0, E.ERRORS: 0.8, E.CRASH: 0.7, E.DECODE: 0.4, E.WRONG: 0.4, E.VALIDATION: 0.3}
_AUTHS: Effects = {E.AUTH: 1.0, E.PERMISSION: 0.7, E.ERRORS: 0.5, E.CLOCK: 0.4}
_HANGS: Effects = {
    E.POOL: 0.8,
    E.THREADS: 0.9,
    E.LATENCY: 0.7,
    E.TIMEOUT: 0.6,
    E.MEMORY: 0.6,
    E.QUEUE: 0.5,
    E.ERRORS: 0.3,
}
_STORM: Effects = {
    E.RETRY: 1.0,
    E.LOAD: 0.95,
    E.CPU: 0.6,
    E.ERRORS: 0.5,
    E.LATENCY: 0.6,
    E.RATE_LIMIT: 0.7,
    E.EXTERNAL: 0.4,
    E.POOL: 0.4,
    E.TIMEOUT: 0.4,
    E.QUEUE: 0.4,
}
_BURNS: Effects = {E.CPU: 1.0, E.LATENCY: 0.8, E.TIMEOUT: 0.5, E.QUEUE: 0.5, E.THREADS: 0.5}
_FORMAT: Effects = {
    E.DECODE: 1.0,
    E.ERRORS: 0.6,
    E.NULL: 0.6,
    E.VALIDATION: 0.8,
    E.WRONG: 0.6,
    E.QUEUE: 0.4,
    E.SCHEMA: 0.5,
}
_NUMBERS: Effects = {E.WRONG: 1.0, E.VALIDATION: 0.4, E.ERRORS: 0.2}
_MISSES: Effects = {
    E.CACHE: 1.0,
    E.DATABASE: 0.8,
    E.LATENCY: 0.75,
    E.LOAD: 0.6,
    E.CPU: 0.5,
    E.RATE_LIMIT: 0.4,
    E.EXTERNAL: 0.3,
}
_STARTS: Effects = {
    E.SETTING: 1.0,
    E.CRASH: 0.9,
    E.ERRORS: 0.5,
    E.NULL: 0.4,
    E.DECODE: 0.4,
    E.NETWORK: 0.3,
    E.AUTH: 0.3,
}
_MANIFEST = frozenset({Role.CONFIG})
_SQLISH = r"(?=.*\b(?:select|from|where|query|update|delete)\b)"


def _like(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


EDITS: tuple[Edit, ...] = (
    # queries
    Edit("limit_removed", "loss", _like(r"\blimit\s+[\d$:%?{]|\.limit\(|\btop\s*\(?\d|fetch first|setmaxresults|\.take\(|\bpage_?size\b|\bpaginate|\[:\w*limit\w*\]|\bsize:\s*\d"), "removes a limit on the rows read", {**_DB, E.MEMORY: 0.6}, "slow_query", slow=True),
    Edit("filter_removed", "loss", _like(r"\bwhere\b|\.where\(|\.filter\(|\.filter_by\(|\bhaving\b|\band\s+\w+\s*(=|>|<|in\b)"), "removes a filter from a query", {**_DB, E.WRONG: 0.6, E.MEMORY: 0.4}, "slow_query", slow=True),
    Edit("join_added", "gain", _like(r"\b(left|inner|outer|cross|right)?\s*join\s+\w|\.joins?\(|\bexists\s*\(\s*select|\bin\s*\(\s*select"), "adds a join or a sub-query", _DB, "slow_query", slow=True),
    Edit("order_added", "gain", _like(r"\border\s+by\b|\.order(_by)?\(|\bgroup\s+by\b|\bselect\s+distinct\b|\.distinct\(|\bcount\(\*\)"), "adds sorting, grouping or counting to a query", _DB, "slow_query", slow=True),
    Edit("scan_filter_added", "gain", _like(r"\bi?like\s+['\"]?%|\blower\(|\bupper\(|\bdate_trunc\(|::text\b|\bcoalesce\(\w+\.?\w*,.*\)\s*=|__i?contains|\bregexp\b|~\*|\bto_tsvector\(|leading wildcard|\bwildcard\b|\boffset\b"), "filters by an expression that no plain index serves", _DB, "missing_index", slow=True),
    Edit("select_star", "gain", _like(r"select\s+\*|fetch_?all|findall\(|\.objects\.all\(\)|find\(\{\}\)|\.to_a\b|tolist\(\)"), "reads whole rows or tables", {**_DB, E.MEMORY: 0.6}, "slow_query", slow=True),
    Edit("query_added", "gain", _like(r"\bselect\b.{1,120}\bfrom\b|\.objects\.(get|filter)|\.(query|queryrow|querycontext|execute|find_by|findone|findmany|aggregate)\((?!\))|\b(select|update|delete)\("), "adds a query", {**_DB, E.SCHEMA: 0.6, E.DATABASE: 0.85}, "slow_query", slow=True),
    Edit("where_added", "gain", _like(r"\bwhere\b|\.where\(|\.filter\(|\.filter_by\("), "filters a query in another way", {**_DB, E.WRONG: 0.5, E.DATABASE: 0.9}, "missing_index", slow=True),
    Edit("query_changed", "touch", _like(r"\bselect\b.{1,120}\bfrom\b|\b(where|and|on)\s+[\w.]+\s*(=|<|>|in\b|like\b)|\bupdate\s+\w+\s+set\b|\border by\b"), "changes a query", {**_DB, E.SCHEMA: 0.7, E.WRONG: 0.5}, "slow_query", slow=True),
    Edit("batching_removed", "loss", _like(r"prefetch|select_related|joinedload|selectinload|includes\(|eager|preload|dataloader|batch|bulk|\bin\s*\(\s*[?$%:]|any\(|mget|pipeline"), "removes batching or eager loading", {**_DB, E.LOAD: 0.6, E.NETWORK: 0.2}, "slow_query", slow=True),
    Edit("index_dropped", "gain", _like(r"\bdrop\s+index\b|remove_index|removeindex|op\.drop_index|dropindex"), "drops an index", {**_DB, E.LOCK: 0.3}, "missing_index", slow=True),
    Edit("index_lost", "loss", _like(r"\bcreate\s+(unique\s+)?index\b|add_index|db_index\s*=\s*true|index\s*=\s*true|@index|addindex|create_index|createindex|using index|use index|hint\("), "loses an index", _DB, "missing_index", slow=True),
    Edit("table_locked", "gain", _like(r"\balter\s+table\b|\bcreate\s+(unique\s+)?index\s+(?!concurrently)|\bvacuum\s+full\b|\bcluster\b|\breindex\b|lock\s+table|add_column|change_column|op\.(alter_column|create_index|create_unique|create_foreign|create_check)|\badd_(index|foreign_key|check_constraint)\b|\b(addindex|addfield|alterfield|addconstraint|createindex)\(|set\s+not\s+null|\btruncate\b"), "changes a table under a lock", {**_LOCKS, E.SCHEMA: 0.5, E.DISK: 0.3}, "lock_contention", roles=frozenset({Role.MIGRATION, Role.CODE})),
    Edit("column_gone", "gain", _like(r"\bdrop\s+(column|table)\b|\brename\s+(column|to)\b|remove_column|rename_column|op\.drop_column|drop_table"), "drops or renames a column or table", {E.SCHEMA: 1.0, E.ERRORS: 0.8, E.NULL: 0.4, E.DECODE: 0.5, E.DATABASE: 0.3}, "bad_deploy"),
    Edit("backfill", "gain", _like(r"^\s*(update\s+\w+\s+set\b|delete\s+from\b|insert\s+into\s+.*select)|update_all|backfill"), "rewrites many rows", {**_LOCKS, E.DATABASE: 0.9, E.DISK: 0.5, E.CPU: 0.4}, "lock_contention", roles=frozenset({Role.MIGRATION})),
    # locks and transactions
    Edit("lock_added", "gain", _like(r"for\s+update|for\s+share|\block\s*\(|\.lock\b|synchronized|mutex|rlock\(|with_lock|advisory_lock|serializable|semaphore|select_for_update|@transactional|begin\b.*transaction|\.transaction\b|atomic\("), "takes a lock or a longer transaction", _LOCKS, "lock_contention"),
    Edit("unlock_lost", "loss", _like(r"unlock\(|\.release\(|nowait|skip locked|lock_timeout|order\s+by\s+\w+\s+for\s+update|\bcommit\(\)|rollback\("), "releases a lock less", _LOCKS, "lock_contention"),
    Edit("lock_order", "loss", _like(r"\bsorted\(.{0,80}(id|lock|account)|order\s+by\s+.{1,40}for\s+update|\.sort\("), "no longer takes things in a fixed order", {E.LOCK: 0.9, E.WRONG: 0.5, E.ERRORS: 0.3, E.LATENCY: 0.3}, "lock_contention"),
    # resources held
    Edit("close_lost", "loss", _like(r"\.close\(|defer\s+\w|\bwith\s+\w.*\bas\b|\busing\s*\(|try\s*\(|\.release\(|\.dispose\(|\.end\(\)|ensure\b|finally\b|\.putconn|\.unsubscribe|removelistener|clearinterval|cancel\(\)|\.stop\(\)"), "no longer closes or releases what it opens", {**_LEAK, E.POOL: 1.0, E.THREADS: 0.9, E.TIMEOUT: 0.5, E.NETWORK: 0.3}, "connection_pool_exhausted", slow=True),
    Edit("spawn_added", "gain", _like(r"\bgo\s+func\b|\bgo\s+\w+(\.\w+)*\(|create_task\(|ensure_future|thread\(|\.submit\(|spawn\(|executors?\.new|setinterval\(|addlistener|\.on\(|settimeout\("), "starts background work that nothing bounds", {**_LEAK, E.THREADS: 1.0, E.POOL: 0.5, E.LOAD: 0.3}, "memory_leak", slow=True),
    Edit("bound_removed", "loss", _like(r"max_?size|maxlen|max_?entries|max_?items|\bevict|lru|\bttl\b|expir(e|y|es|ation)|expireafter|setex\b|\.delete\(|\bdelete\s+\w|\.pop\(|\.remove\(|\.clear\(|\.shift\(|\btrim|truncate|weakref|\bcap\("), "removes a bound, an expiry or an eviction", {**_LEAK, E.CACHE: 0.8, E.WRONG: 0.4, E.DISK: 0.4, E.AUTH: 0.2}, "memory_leak", slow=True),
    Edit("kept", "gain", _like(r"lru_cache\(maxsize=none|@cache\b|memoi[sz]e|readall\(|\.read\(\)|readfilesync|bytearray\(|deepcopy|\.clone\(|buffer\.concat|new map\(|new hashmap|concurrenthashmap|make\(map|make\(\[\]"), "keeps or copies more in memory", {E.MEMORY: 0.85, E.CRASH: 0.5, E.CPU: 0.4, E.LATENCY: 0.3, E.CACHE: 0.3}, "memory_leak", slow=True),
    # calls to others
    Edit("timeout_lost", "loss", _like(r"time_?out|deadline|withtimeout|abortsignal|abortcontroller|cancel(lation)?token"), "removes a timeout", _HANGS, "downstream_dependency"),
    Edit("retry_added", "gain", _like(r"retr(y|ies)|attempts?\b|while\s*\(?\s*(true|!)|for\s*\(;;\)|\bloop\s+do\b|\bredo\b"), "retries more", _STORM, "retry_storm"),
    Edit("backoff_lost", "loss", _like(r"back_?off|jitter|wait_(fixed|random|exponential|incrementing)|exponential|sleep\(|circuit_?breaker|rate_?limit|limiter|throttle|debounce|semaphore|max_?attempts|max_?retries|singleflight"), "removes backing off or a breaker", {**_STORM, E.MEMORY: 0.3}, "retry_storm"),
    Edit("call_added", "gain", _like(r"requests\.(get|post|put)|http(x|client)?\.(get|post|do|put|newrequest)|\bfetch\(|axios|resttemplate|webclient|grpc\.|stub\.|net::http|faraday|\.(getforobject|exchange|call)\(|client\.\w+\("), "adds a call to another service", {E.LATENCY: 0.8, E.TIMEOUT: 0.8, E.LOAD: 0.6, E.EXTERNAL: 0.5, E.ERRORS: 0.6, E.NETWORK: 0.4, E.RATE_LIMIT: 0.5, E.POOL: 0.4, E.THREADS: 0.4}, "bad_deploy"),
    Edit("blocking_added", "gain", _like(r"time\.sleep|thread\.sleep|sleep\s*\(|sync\(|\.result\(\)|\.get\(\)\s*;|\.join\(\)|\bblock\(\)|await\s+promise|readfilesync|execsync|\.wait\("), "waits where it did not", {**_HANGS, E.LATENCY: 1.0, E.CPU: 0.3}, "bad_deploy"),
    Edit("parallel_lost", "loss", _like(r"promise\.all|asyncio\.gather|errgroup|waitgroup|parallel|\.submit\(|completablefuture|fixedthreadpool|cachedthreadpool|workerpool|max_workers|async\b|concurrent"), "does one after another what ran side by side", {E.LATENCY: 0.9, E.QUEUE: 0.8, E.TIMEOUT: 0.6, E.POOL: 0.3}, "bad_deploy"),
    # processor
    Edit("regex_added", "touch", _like(r"regexp?\.(must)?compile|re\.(compile|match|search|fullmatch|sub)|new regexp|pattern\.compile|=\s*/.*[+*].*/|=~\s*/|\.match\(/|[+*]\)[+*]"), "matches with another regular expression", {**_BURNS, E.VALIDATION: 0.5, E.WRONG: 0.3}, "cpu_saturation"),
    Edit("backtracking", "gain", _like(r"[+*]\)[+*{]|\(\.[+*]\)\{|\.\*\.\*"), "adds a regular expression that can backtrack without end", {**_BURNS, E.VALIDATION: 0.3}, "cpu_saturation"),
    Edit("work_added", "gain", _like(r"\bsort(ed)?\(|\.sort\b|\bsort\.(slice|sort|stable)|slices\.sort|bcrypt|scrypt|pbkdf2|argon|gzip|compress|encrypt|sha\d|levenshtein|json\.(dumps|marshal|stringify)|deepcopy|itertools\.(product|combinations|permutations)|permutations|sequencematcher|difflib|get_close_matches|jaro_?winkler|\bfuzz\.|\bfor\b.*\bfor\b|reflect\.|cost\s*=|rounds\s*="), "computes more per request", _BURNS, "cpu_saturation"),
    Edit("busy_loop", "gain", _like(r"while\s*\(?\s*true|for\s*\{|for\s*\(;;\)|loop\s*\{|default:\s*$"), "may spin in a loop", {**_BURNS, E.LOAD: 0.4}, "cpu_saturation"),
    # caches
    Edit("cache_lost", "loss", _like(r"cache|memoi[sz]e|redis|memcache|etag|cdn|immutable"), "removes caching", _MISSES, "cache_failure"),
    Edit("cache_key", "gain", _like(r"no-?(cache|store)|cache_?key|bust|vary\b|skip_?cache|max-age=0|flushall|\.flush"), "caches under other keys, or not at all", {**_MISSES, E.WRONG: 0.6}, "cache_failure"),
    Edit("fresh_key", "gain", _like(r"key.{0,80}(\bnow\b|now\(|unix\(|random|\brand\b|uuid|timestamp|nonce)"), "puts time or chance into a key", {**_MISSES, E.WRONG: 0.5, E.MEMORY: 0.6}, "cache_failure"),
    Edit("key_changed", "touch", _like(r"\bkey\b.{0,20}[:=(].{0,40}(sprintf|format|f[\"']|\+|join|template|`)"), "changes under which key things are kept", {**_MISSES, E.WRONG: 0.5}, "cache_failure"),
    # errors and guards
    Edit("guard_lost", "loss", _like(r"\bis (not )?none\b|[!=]==?\s*(null|nil|undefined)|\?\.|\?\?|\.get\(\w|\bif\s+not\b|\bif\s*\(!|isempty|ispresent|orelse|optional|unwrap_or|\bunless\b|\bif\s+\w+(\.\w+)*\s+else\b|blank\?|nil\?|present\?|hasattr|\bok\b\s*:?=|getordefault|len\(\w+\)\s*(==|>)|\bif\s+err\b"), "removes a guard against missing values", _BREAKS, "bad_deploy"),
    Edit("handler_lost", "loss", _like(r"\bexcept\b|\bcatch\b|\brescue\b|\brecover\(|\.catch\(|on_?error|fallback|default_?value"), "removes error handling or a fallback", {**_BREAKS, E.EXTERNAL: 0.4, E.TIMEOUT: 0.4, E.ERRORS: 0.9}, "bad_deploy"),
    Edit("raise_added", "gain", _like(r"\braise\s+\w|\bthrow\s+(new\s+)?\w|panic\(|abort\(|return\s+.*\berr(or)?s?\.(new|wrap)|errorf\((?!.*%w)|http_?error|status\(?\s*[45]\d\d|sys\.exit|os\.exit|\bassert\b|strict|disallowunknown|required"), "raises errors or checks more strictly", {E.ERRORS: 0.85, E.VALIDATION: 0.85, E.CRASH: 0.6, E.DECODE: 0.6, E.AUTH: 0.4, E.WRONG: 0.2, E.SCHEMA: 0.3}, "bad_deploy"),
    Edit("deref_added", "gain", _like(r"\[0\]|\.first\b|\.unwrap\(|\.get\(\)\.|!!\.|\.\w+\.\w+\.\w+\b(?!\()|as!|\(\*\w+\)"), "assumes a value that may be missing", {**_BREAKS, E.NULL: 0.8, E.ERRORS: 0.5}, "bad_deploy"),
    # who may
    Edit("auth_changed", "touch", _like(r"\bjwt\b|token|expir|\bexp\b|leeway|audience|issuer|\baud\b|\biss\b|signature|verify|secret|session|cookie|samesite|\bkid\b|jwks|hmac|oauth|login|api_?key|credential|password|bearer|csrf|cors"), "changes how callers prove who they are", _AUTHS, "bad_deploy"),
    Edit("permission_lost", "loss", _like(r"\"[a-z0-9-]+:[A-Z*]\w*|\bgrant\b|\bverbs:|rolebinding|iam_|actions?\s*=|allow|principal|\broles?/|scopes?\b|resources:|security_group|ingress_rule"), "takes a permission away", {E.PERMISSION: 1.0, E.AUTH: 0.7, E.ERRORS: 0.6, E.NETWORK: 0.5}, "config_change"),
    Edit("deny_added", "gain", _like(r"\bdeny\b|\brevoke\b|networkpolicy|forbid|denied|blocklist|firewall|egress:|ingress:|podsecurity|runasnonroot|readonlyrootfilesystem"), "denies access or traffic", {E.PERMISSION: 1.0, E.NETWORK: 0.9, E.AUTH: 0.6, E.TIMEOUT: 0.6, E.ERRORS: 0.6, E.DNS: 0.6, E.CRASH: 0.4}, "config_change"),
    Edit("tolerance_lost", "loss", _like(r"leeway|tolerance|\bskew|grace|slack|margin|overlap"), "removes a tolerance", {E.AUTH: 0.9, E.CLOCK: 0.9, E.VALIDATION: 0.8, E.ERRORS: 0.6, E.WRONG: 0.5, E.TIMEOUT: 0.4}, "bad_deploy"),
    # shape of data
    Edit("format_changed", "touch", _like(r"json:\"|`json|serde|jsonproperty|@serialized|protobuf|\bavro|\.proto|marshal|serializ|\.(dumps?|loads?|packb|unpackb|stringify)\(|encoding|charset|strftime|isoformat|dateformat|parse\w*\(|msgpack|pickle|content-?type|reserved\s+\d|=\s*\d+;"), "changes how data is written or read", _FORMAT, "bad_deploy"),
    Edit("type_changed", "touch", _like(r"\b(int|float|double|decimal|bigdecimal|round|floor|ceil|trunc|parseint|parsefloat|tofixed|intvalue|longvalue|number)\s*\(|//\s*\d|\.to_[if]\b|setscale|roundingmode|quantize|int32|int64|float64|\bas\s+(i|u|f)\d+|/\s*100|\*\s*100"), "changes types or rounding", _NUMBERS, "bad_deploy"),
    Edit("time_changed", "touch", _like(r"utcnow|datetime\.now|new date\(|time\.now|time\.utc|timezone|tzinfo|localtime|current_timestamp|\.unix(milli|nano)?\(|gettime\(|epoch"), "changes how time is taken or compared", {E.CLOCK: 0.8, E.AUTH: 0.6, E.WRONG: 0.7, E.CACHE: 0.4, E.VALIDATION: 0.4, E.ERRORS: 0.3}, "bad_deploy"),
    # settings and places
    Edit("setting_needed", "gain", _like(r"os\.environ\[|os\.getenv\(|process\.env|system\.getenv|env\[|env\.fetch|mustgetenv|viper\.get|@value\(|lookupenv|config\[|settings\.|configmapkeyref|secretkeyref|envfrom"), "needs a setting that was not needed before", _STARTS, "config_change"),
    Edit("setting_lost", "loss", _like(r"^\s*(?:-\s*)?(name:|value:)|configmapkeyref|secretkeyref|^\s*[A-Z][A-Z0-9_]{3,}\s*[:=]|os\.environ|process\.env|getenv"), "removes a setting", _STARTS, "config_change"),
    Edit("image_changed", "touch", _like(r"\bimage:|^\s*tag:|\bfrom\s+[\w./-]+:[\w.-]+|imagepull|repository:|newtag"), "runs another image", {E.IMAGE: 1.0, E.CRASH: 0.7, E.ERRORS: 0.3, E.LATENCY: 0.2, E.MEMORY: 0.2}, "bad_deploy", roles=_MANIFEST),
    Edit("start_changed", "touch", _like(r"command:|args:|entrypoint|\bcmd\b|livenessprobe|readinessprobe|startupprobe|initialdelay|containerport|targetport|\bport:|runasuser|volumemounts?|mountpath|initcontainers|workingdir"), "changes how the process starts or is probed", {E.CRASH: 1.0, E.NETWORK: 0.6, E.ERRORS: 0.5, E.ROUTE: 0.5, E.SETTING: 0.4}, "config_change", roles=_MANIFEST),
    Edit("scheduling_changed", "touch", _like(r"affinity|nodeselector|tolerations|topologyspread|priorityclass|\bqos\b|requests:|nodepool|instance_?type|machine_?type|spot|preemptible"), "changes where it runs", {E.NODE: 1.0, E.CPU: 0.6, E.LATENCY: 0.5, E.CRASH: 0.4, E.MEMORY: 0.5, E.NETWORK: 0.5}, "config_change", roles=_MANIFEST),
    Edit("route_changed", "touch", _like(r"^\s*(?:-\s*)?path:|\broute|@(get|post|put|request)mapping|\.(get|post|put|delete|handle(func)?)\(\s*[\"'`]/|rewrite|prefix|location\s+[~/=]|host:|upstream|virtualservice|destinationrule|weight:|proxy_pass|urlpatterns|basepath|endpoint|base_?url"), "changes routes or addresses", {E.ROUTE: 1.0, E.ERRORS: 0.6, E.STARVED: 0.8, E.NETWORK: 0.6, E.LOAD: 0.4, E.DNS: 0.4, E.LATENCY: 0.3}, "config_change"),
    Edit("resolver_changed", "touch", _like(r"ndots|dnspolicy|dnsconfig|nameserver|resolv|coredns|forward\s+\.|externalname|hostaliases|\bdns\b|route53|cname|searches:"), "changes name resolution", {E.DNS: 1.0, E.NETWORK: 0.7, E.LATENCY: 0.5, E.ERRORS: 0.4}, "dns_failure"),
    Edit("trust_changed", "touch", _like(r"\btls\b|\bssl\b|certificate|\bcert\b|ca_?bundle|truststore|keystore|cipher|min_?version|verify_?(ssl|peer|mode)|insecureskip|rejectunauthorized|mtls|peerauthentication|\.pem|\.crt"), "changes trust or encryption of connections", {E.CERTIFICATE: 1.0, E.EXPIRY: 0.35, E.NETWORK: 0.6, E.ERRORS: 0.5, E.AUTH: 0.3}, "config_change"),
    Edit("queue_changed", "touch", _like(r"topic|consumer|group[_.]?id|offset|prefetch|partition|\back(s|nowledge)?\b|nack|requeue|max\.poll|visibility|dead_?letter|auto_?commit|subscription|exchange|routing_?key|\bqos\b"), "changes how messages are consumed", {E.QUEUE: 1.0, E.WRONG: 0.6, E.DECODE: 0.4, E.ERRORS: 0.3, E.STARVED: 0.6, E.LATENCY: 0.3}, "config_change"),
    Edit("writes_more", "gain", _like(r"open\(.{1,60}['\"][aw]b?['\"]|os\.create|writefile|appendfile|fileoutputstream|tempfile|/tmp/|dump\(|retention|log_?level:?\s*['\"]?(debug|trace)|verbose|keep_?days|wal_"), "writes more to disk", {E.DISK: 1.0, E.CPU: 0.35, E.LATENCY: 0.35, E.MEMORY: 0.2, E.CRASH: 0.3}, "disk_full", slow=True),
    Edit("provider_changed", "touch", _like(r"https://|api_?version|api[_-]?base|sandbox|\bsdk\b|stripe|paypal|adyen|twilio|sendgrid|amazonaws|googleapis|webhook"), "changes a call to an outside provider", {E.EXTERNAL: 0.9, E.ERRORS: 0.6, E.AUTH: 0.5, E.NETWORK: 0.5, E.RATE_LIMIT: 0.5, E.TIMEOUT: 0.5, E.DNS: 0.4}, "config_change"),
)  # fmt: skip

DEPENDENCY: Effects = {
    E.ERRORS: 0.3,
    E.LATENCY: 0.25,
    E.MEMORY: 0.35,
    E.CPU: 0.3,
    E.DECODE: 0.4,
    E.CRASH: 0.45,
    E.NULL: 0.35,
    E.CERTIFICATE: 0.35,
    E.AUTH: 0.25,
    E.THREADS: 0.3,
    E.POOL: 0.25,
    E.TIMEOUT: 0.2,
    E.VALIDATION: 0.25,
    E.WRONG: 0.2,
}
"""A dependency that moved can do a little of everything; which dependency it is decides by its name."""

ANY_CODE: Effects = {
    E.ERRORS: 0.45,
    E.LATENCY: 0.4,
    E.NULL: 0.5,
    E.WRONG: 0.45,
    E.CPU: 0.3,
    E.MEMORY: 0.2,
    E.CRASH: 0.35,
    E.DECODE: 0.4,
    E.VALIDATION: 0.45,
    E.AUTH: 0.2,
    E.DATABASE: 0.2,
    E.QUEUE: 0.3,
    E.CACHE: 0.15,
    E.TIMEOUT: 0.3,
    E.ROUTE: 0.2,
    E.LOAD: 0.15,
    E.STARVED: 0.3,
    E.RETRY: 0.15,
    E.POOL: 0.15,
    E.LOCK: 0.1,
    E.SCHEMA: 0.25,
    E.SETTING: 0.1,
    E.EXTERNAL: 0.1,
    E.THREADS: 0.15,
    E.PERMISSION: 0.15,
    E.RATE_LIMIT: 0.15,
}
"""Code whose edit is of no known kind may do anything, a little."""

ANY_CONFIG: Effects = {
    E.ERRORS: 0.4,
    E.LATENCY: 0.35,
    E.CRASH: 0.4,
    E.SETTING: 0.6,
    E.NETWORK: 0.3,
    E.ROUTE: 0.3,
    E.PERMISSION: 0.3,
    E.POOL: 0.25,
    E.TIMEOUT: 0.3,
    E.CPU: 0.25,
    E.MEMORY: 0.25,
    E.QUEUE: 0.3,
    E.CACHE: 0.25,
    E.AUTH: 0.25,
    E.WRONG: 0.3,
    E.STARVED: 0.3,
    E.RATE_LIMIT: 0.25,
}
"""The same for configuration."""

FLIPPED: Effects = {
    E.ERRORS: 0.75,
    E.AUTH: 0.85,
    E.WRONG: 0.9,
    E.VALIDATION: 0.8,
    E.PERMISSION: 0.7,
    E.NULL: 0.6,
    E.QUEUE: 0.5,
    E.RETRY: 0.5,
    E.LATENCY: 0.4,
    E.CACHE: 0.6,
    E.CPU: 0.45,
    E.LOCK: 0.3,
    E.MEMORY: 0.3,
    E.DECODE: 0.3,
    E.CLOCK: 0.5,
    E.STARVED: 0.5,
}
"""A comparison, a sign or a truth value turned round."""

SWITCHED: Effects = {
    **dict.fromkeys(E, 0.55),
    **{effect: max(0.55, weight) for effect, weight in FLIPPED.items()},
}
"""A switch in configuration turned: whatever hangs on it may follow; its name tells which."""

RENAMED_KEY: Effects = {
    E.DECODE: 1.0,
    E.SCHEMA: 0.95,
    E.NULL: 0.7,
    E.SETTING: 0.85,
    E.VALIDATION: 0.8,
    E.ERRORS: 0.6,
    E.ROUTE: 0.55,
    E.WRONG: 0.6,
    E.QUEUE: 0.5,
    E.CACHE: 0.5,
    E.AUTH: 0.35,
    E.CRASH: 0.4,
    E.STARVED: 0.4,
    E.IMAGE: 0.4,
    E.DATABASE: 0.25,
    E.NETWORK: 0.3,
    E.DNS: 0.3,
}
"""A name that others rely on (a key, a field, a column, an address) replaced by another."""

IN_LOOP: Effects = {**_DB, E.LOAD: 0.8, E.LATENCY: 1.0, E.RATE_LIMIT: 0.6, E.NETWORK: 0.3}
"""A query or call made once per element."""

NESTED: Effects = {**_BURNS, E.DATABASE: 0.0, E.MEMORY: 0.3}
"""Walks in walks over what is in memory."""

BLOCKS: Effects = {**_HANGS, E.LATENCY: 1.0, E.THREADS: 1.0, E.QUEUE: 0.7, E.CPU: 0.3}
"""A wait where nothing else can go on."""

GROWS: Effects = _LEAK
"""Something that outlives the request is added to and never bounded."""
