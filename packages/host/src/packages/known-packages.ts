/**
 * Packages that many use, with what they depend on: what may be installed where the operator says nothing. A name that merely
 * looks like one of them is not on it.
 */
export const knownPackages: Readonly<Record<string, readonly string[]>> = {
  pip: words(`
    aiohappyeyeballs aiohttp aiosignal altair annotated-types anthropic anyio argon2-cffi argon2-cffi-bindings asgiref asttokens
    async-timeout attrs babel beautifulsoup4 black blinker boto3 botocore cachetools certifi cffi chardet charset-normalizer click
    cloudpickle colorama contourpy cryptography cycler cython dateparser decorator defusedxml dill distro django dnspython
    docutils duckdb email-validator et-xmlfile exceptiongroup executing faker fastapi filelock flask fonttools frozenlist fsspec
    google-auth greenlet grpcio h11 h2 hpack html5lib httpcore httptools httpx hyperframe hypothesis idna imageio
    importlib-metadata iniconfig ipython isort itsdangerous jedi jinja2 jiter jmespath joblib jsonpatch jsonpointer jsonschema
    jsonschema-specifications kiwisolver lazy-loader lxml mako markdown markdown-it-py markupsafe matplotlib matplotlib-inline
    mccabe mdurl more-itertools mpmath msgpack multidict mypy mypy-extensions narwhals networkx nltk numba numpy openai openpyxl
    orjson packaging pandas parso pathspec patsy pexpect pillow pip platformdirs plotly pluggy polars prometheus-client
    prompt-toolkit propcache protobuf psutil psycopg psycopg2-binary ptyprocess pure-eval pyarrow pyasn1 pyasn1-modules
    pycodestyle pycparser pydantic pydantic-core pydantic-settings pyflakes pygments pyjwt pymongo pymysql pynacl pyparsing
    pypdf pysocks pytest pytest-asyncio pytest-cov coverage python-dateutil python-dotenv python-multipart pytz pyyaml redis
    referencing regex reportlab requests requests-oauthlib oauthlib rich rpds-py rsa ruff s3transfer scikit-image scikit-learn
    scipy seaborn sentencepiece setuptools shapely shellingham simplejson six sniffio sortedcontainers soupsieve sqlalchemy
    sqlparse stack-data starlette statsmodels sympy tabulate tenacity threadpoolctl tifffile tiktoken tokenizers toml tomli
    tomlkit toolz tornado tqdm traitlets typer types-requests typing-extensions typing-inspection tzdata tzlocal ujson urllib3
    uvicorn uvloop watchfiles wcwidth webencodings websockets werkzeug wheel wrapt xlrd xlsxwriter xxhash yarl zipp zstandard`),
  npm: words(`
    @types/node accepts acorn ajv ajv-formats ansi-regex ansi-styles argparse async asynckit axios balanced-match base64-js
    body-parser brace-expansion buffer bytes call-bind call-bind-apply-helpers call-bound chalk cheerio chokidar cliui
    color-convert color-name combined-stream commander content-disposition content-type cookie cookie-signature cors cross-spawn
    csv-parse d3 date-fns dayjs debug delayed-stream depd dotenv dunder-proto ee-first emoji-regex encodeurl es-define-property
    es-errors es-object-atoms es-set-tostringtag esbuild escape-html escalade etag express fast-deep-equal fast-glob fast-uri
    finalhandler follow-redirects form-data forwarded fresh fs-extra function-bind get-caller-file get-intrinsic get-proto glob
    gopd graceful-fs has-flag has-symbols has-tostringtag hasown http-errors iconv-lite ieee754 inherits ini ipaddr.js
    is-fullwidth-code-point is-promise jest js-yaml json-schema-traverse jsonfile jsonwebtoken left-pad lodash lru-cache luxon
    marked math-intrinsics mathjs media-typer merge-descriptors mime mime-db mime-types minimatch minimist mkdirp moment ms
    nanoid negotiator node-fetch object-assign object-inspect on-finished once openai p-limit papaparse parseurl path-to-regexp
    picocolors prettier proxy-addr proxy-from-env punycode qs range-parser raw-body react react-dom readable-stream require-directory
    require-from-string rimraf router rxjs safe-buffer safer-buffer scheduler semver send serve-static setprototypeof sharp
    side-channel side-channel-list side-channel-map side-channel-weakmap statuses string-width string_decoder strip-ansi
    supports-color toidentifier tslib tsx type-is typescript uglify-js underscore undici undici-types universalify unpipe
    util-deprecate uuid vary vite vitest wrap-ansi wrappy ws y18n yaml yargs yargs-parser yocto-queue zod`),
  // What Debian says that these need comes along: the archive is signed as a whole, and names in it are given by Debian.
  apt: words(`
    autoconf automake bash-completion bc bind9-dnsutils bison build-essential bzip2 ca-certificates clang cmake coreutils cpp
    curl default-jre-headless default-mysql-client diffutils dnsutils ed exiftool fd-find ffmpeg file findutils flex fontconfig
    fonts-dejavu fonts-dejavu-core fonts-liberation fonts-noto-core g++ gawk gcc gdb gettext ghostscript git git-lfs gnupg
    golang-go graphviz gzip htop imagemagick inkscape iproute2 iputils-ping jq less libffi-dev libgl1 libglib2.0-0t64 libgomp1
    libjpeg-dev libmagic1t64 libpng-dev libpq-dev libpq5 libsndfile1 libsqlite3-dev libssl-dev libxml2-dev libxslt1-dev lsof
    m4 make maven mediainfo moreutils nano ncurses-bin netbase netcat-openbsd ninja-build nodejs npm openjdk-21-jdk-headless
    openjdk-21-jre-headless openssh-client openssl p7zip-full pandoc parallel patch perl php-cli pkg-config poppler-utils
    postgresql-client procps psmisc python3 python3-dev python3-pip python3-venv qpdf redis-tools ripgrep rsync ruby rustc cargo
    sed shellcheck socat sox sqlite3 strace swig tar tesseract-ocr tesseract-ocr-eng texlive-latex-base time tini tree tzdata
    unzip uuid-runtime valgrind vim-tiny wget whois xauth xml2 xmlstarlet xvfb xxd xz-utils yq zip zlib1g-dev zsh zstd`),
};

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
