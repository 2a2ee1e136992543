"""Word lists of the floor: words for children, sexual words, and harmless phrases that contain one. Data, no logic.

Short, clinical, in twelve languages, in the form of folding.compile_terms. All languages are matched in any text, so a word
that is harmless in another language is left out or has its article: German "Kind", Spanish "niña" once its tilde is gone,
Dutch "nu". A change here raises floor.FLOOR_VERSION.
"""


def _terms(text: str) -> tuple[str, ...]:
    return tuple(" ".join(term.split()) for term in text.split(",") if term.strip())


CHILD = _terms("""
    child, childs, children, childlike, child like, childish, kid, kids, kiddo, kiddie*, toddler*, infant, infants,
    baby, babies, newborn*, minor, minors, preteen*, tween, tweens, teen, teens, teenag*, adolescen*, juvenile*,
    youngster*, under age*, prepubesc*, pre pubesc*, pubescen*, puberty, boy, boys, little girl*, small girl*, young
    girl*, girl child, loli, lolis, lolita*, shota, school girl*, school boy*, school child*, school kid*, school
    uniform*, girl scout*, kindergart*, preschool*, elementary school*, primary school*, grade school*, middle school*,
    junior high*, high school*, first grade*, sweet sixteen,
    ein kind, das kind, dem kind, des kindes, kleines kind, kinder, kindern, kindlich*, kleinkind*, säugling*,
    minderjährig*, jugendlich*, teenie*, schulmädchen*, schülerin*, grundschul*, kleines mädchen, junges mädchen,
    kleiner junge, kleinen jungen,
    enfant, enfants, bébé, bébés, fillette*, petite fille, petites filles, jeune fille, garçonnet*, petit garçon,
    mineur, mineurs, mineure, mineures, écolier*, écolière*, collégien*, lycéenne*,
    niño, niños, niñas, una niña, la niña, menor de edad, menores, adolescente*, colegiala*, infantil, quinceañera*,
    bambina, bambine, bambino, bambini, ragazzina, ragazzino, ragazzine, ragazzini, minorenn*, minori, neonat*,
    scolaretta,
    criança*, menina, meninas, menino, meninos, menor de idade, menores de idade,
    kindje*, kinderen, een kind, peuter*, kleuter*, minderjarig*, tiener*, schoolmeisje*, klein meisje, jong meisje,
    dziecko, dziecka, dzieci, dziewczynk*, chłopiec, chłopczyk*, nastolat*, nieletni*, małoletni*, niemowl*, uczennic*,
    przedszkol*,
    ребёнок, ребёнк*, дети, детей, детьми, детск*, девочк*, мальчик*, подрост*, младенец, младенц*, несовершеннолетн*,
    школьник*, школьниц*, малыш*,
    儿童, 兒童, 孩子, 小孩, 幼女, 幼童, 女童, 男童, 未成年, 小学生, 小學生, 中学生, 中學生, 初中生, 高中生,
    少女, 少年, 婴儿, 嬰兒, 萝莉, 蘿莉, 正太, 女学生, 女學生, 子供, 子ども,
    こども, 児童, 幼児, 園児, 高校生, 女子高生, 赤ちゃん, ロリ, ロリータ, ショタ, 어린이, 어린아이, 아동,
    미성년, 유아, 초등학생, 중학생, 고등학생, 여고생, 소녀, 소년, 청소년, 아기,
""")

SEXUAL = _terms("""
    nude, nudes, nudity, nudist*, naked*, unclothed, undress*, disrob*, topless, without clothes, no clothes, without
    clothing, no clothing, wearing nothing, not wearing anything, sex, sexual*, sexy, sexier, sexiest, porn*, erotic*,
    erotik*, hentai, ecchi, nsfw, xxx, x rated, r18, rule 34, lewd*, lingerie, underwear, panties, thong, negligee*,
    strip tease*, stripper*, strip club*, genital*, penis, penises, vagina*, vulva*, nipple*, breasts, bare breast*,
    buttocks,
    cleavage, orgasm*, masturbat*, intercourse, fetish*, bdsm, bondage, seduct*, sensual*, provocative pose*, aroused,
    arousal, molested, molester*, molesting, rape, raped, raping, incest*, adult film*, adult movie*, adult content,
    onlyfans, playboy,
    brothel*, prostitut*,
    nackt*, sexuell*, erotisch*, unterwäsche, dessous, oben ohne, entkleidet*, unbekleidet*,
    nue, nues, tout nu, enfant nu, enfants nus, garçon nu, nudité, sexe, sexuel*, érotiqu*, seins nus, sous vêtement*,
    déshabill*, sans vêtements,
    desnud*, sexo, lencería, sin ropa, ropa interior,
    nudo, nuda, nudi, sesso, sessual*, senza vestiti, biancheria intima,
    nua, nuas, menino nu, meninos nus, criança nu, sem roupa*, calcinha*,
    naakt*, bloot, seks*, zonder kleren, ondergoed,
    nagie, nagich, nago, nagość, naga dziewczyn*, nagi chłop*, rozebran*, erotyczn*, bez ubra*, bielizn*,
    голая, голый, голые, голой, голых, голенькая, обнажён*, секс*, порно*, эроти*, без одежды, нижнее бельё, нижнем
    белье,
    裸, 色情, 性爱, 性愛, 性交, 情色, 内衣, 內衣, 没穿衣服, 不穿衣服, 沒穿衣服, ヌード, セックス, エロ, ポルノ,
    わいせつ, 下着, 性的, エッチ, 누드, 나체, 알몸, 벌거벗, 야한, 섹스, 섹시,
    포르노, 성적인, 속옷, 에로틱,
""")
"""Sexual words; English first, because other languages borrow from it."""

ALONE = _terms("""
    csam, child porn*, kiddie porn*, child erotica, child abuse material*, child molested, molester*, molesting,
    pedophil*, paedophil*,
    pedofil*, lolicon, lolikon, shotacon, shotakon, jail bait, toddlercon, kinderporno*, pédopornograph*,
    pornografía infantil, pedopornogra*, педофил*, детское порно*, 儿童色情, 兒童色情, 児童ポルノ, ロリコン, ショタコン,
    아동포르노, 아청물,
""")
"""Terms that violate the floor alone."""

CHILDLESS = _terms("""
    baby shower*, baby blue, baby pink, baby doll*, baby oil, baby bump*, baby s breath, baby grand*, baby carrot*,
    baby spinach, sugar baby, kid leather, kid glove*, kid skin, goat kid*, inner child, child s pose, childs pose,
    child free, boy short*, boy band*, gothic lolita, lolita fashion, lolita dress*, asia minor, ursa minor,
    minor key, minor scale, minor chord, minor detail*, minor damage, minor blur, minor edit*, minor flaw*,
    canis minor, minor scratch*, minor adjustment*, minor change*, kinder schokolade, kinder chocolate, kinder surprise,
""")
"""Harmless phrases that contain a word for a child."""

SEXLESS = _terms("""
    naked mole rat*, nacktmull*, nacktschnecke*, naaktslak*, naked eye, naked cake*, naked bike*, naked flame*,
    naked branch*, naked tree*, nude lipstick*,
    nude color*, nude colour*, nude tone*, nude nail*, nude heels, nude pumps, nude shoes, nude makeup, nude palette,
    same sex, opposite sex, single sex, sex education, sex ed, sex of, thermal underwear, oilseed rape,
    fromage râpé*, 裸足, 裸眼,
    裸の王様, 裸子植物,
""")
"""Harmless phrases that contain a sexual word."""

CLOTHED = _terms("""
    clothes, clothing, clothed, fully clothed, dressed, fully dressed, garment*, outfit*, wearing clothes, kleidung,
    vêtements, ropa, vestiti, roupa*, kleren, ubrani*, одежда, 衣服, 服, 옷,
""")
"""Negative terms that ask clothes away."""

ADULT = _terms("""
    adult, adults, grown up*, grown woman, grown man, mature, mature woman, mature female, mature man, of age, over 18,
    18, erwachsene*, adulte*, adulto*, adulti, volwassen*, dorosł*, взросл*, 成年人, 大人, 성인,
""")
"""Negative terms that ask adults away."""

DENIAL = _terms("""
    no, not, none, never, without, nothing, zero, 0, false, free, absent, negative, low, safe, unlikely, clean, clear,
    pass, passed, check*, screen*, score*, polic*, categor*, moderat*, filter*, kein, keine, nicht, ohne, sans, aucun*,
    pas, sin, ningun*, nessun*, senza, non, sem, nenhum*, não, geen, niet, zonder, bez, nie, brak, нет, без, не,
    无, 無, 没有, 沒有, なし, ない, 없음, 없다,
""")
"""Words that make a clause of a hint a denial, or a report of a check."""

_YEARS_OLD = "(?:years?|yrs?) ?(?:olds?|of age|young)"
_TEENS = "(?:ten|eleven|twelve|(?:thir|four|fif|six|seven)teen)"
AGE_IN_DIGITS = (
    r"(\d{1,2}) ?(?:years?|yrs?|y) ?(?:olds?|o|of age|young)(?= )(?! (?:single malt|whisk|bourbon|cognac))",
    r"(\d{1,2})y(?= )",
    r"age[ds]? ?(?:of |about |around |only |just )?(\d{1,2})(?!\d| \d{3}(?!\d))",
    r"(\d{1,2}) ?(?:jahre? alt|jahrige?[rsn]?|ans|anos|anni|jaar|jarige?|lat|letni\w?)(?= )",
    r"(\d{1,2}) ?(?:лет|года?|летн\w{1,3})(?= )",
    r"(\d{1,2}) ?[岁歲歳才살세]",
)
"""Patterns over folded text, from the start of a word; the one group that matches is the age in years."""

AGE_IN_WORDS = (
    rf"(?<!ty )(?:one|two|three|four|five|six|seven|eight|nine|{_TEENS}) {_YEARS_OLD}",
    rf"aged? (?:of )?(?:six|seven|eight|nine|{_TEENS})",
    r"\d{1,2} ?(?:months?|weeks?|days?) old",
    r"(?:[1-9]|1[0-2]) ?(?:st|nd|rd|th) grade(?:rs?)?",
    r"(?:under|below|younger than|not yet) (?:the age of )?(?:1[0-8]|sixteen|eighteen)",
    r"(?:sechs|sieben|acht|neun|zehn|elf|zwolf) ?(?:jahre? alt|jahrige?[rsn]?)",
    r"(?:drei|vier|funf|sech|sieb)zehn ?(?:jahre? alt|jahrige?[rsn]?)",
    r"(?<!vingt )(?<!soixante )(?<! et )(?:dix|onze|douze|treize|quatorze|quinze|seize) ans",
    r"(?<! y )(?:ocho|nueve|diez|once|doce|trece|catorce|quince|dieciseis|diecisiete) anos",
    r"(?<! e )(?:oito|nove|dez|doze|treze|quatorze|catorze|quinze|dezesseis|dezessete) anos",
    r"(?:otto|nove|dieci|undici|dodici|tredici|quattordici|quindici|sedici|diciassette) anni",
    r"(?:acht|negen|tien|elf|twaalf|dertien|veertien|vijftien|zestien|zeventien) ?(?:jaar|jarige?)",
    r"(?:dziesiec|jedenascie|dwanascie|trzynascie|czternascie|pietnascie|szesnascie|siedemnascie) lat",
    r"(?:десять|одиннадцать|двенадцать|тринадцать|четырнадцать|пятнадцать|шестнадцать|семнадцать) лет",
)
"""Patterns over whole words of folded text, all under eighteen. The lookbehinds exclude "twenty-one years old"."""

AGE_UNSPACED = (
    "(?<![十百二三四五六七八九])(?:十[一二三四五六七]?|[一二三四五六七八九])[岁歲歳才]",
    "열(?:한|두|세|네|다섯|여섯|일곱)? ?살",
)
"""Patterns of the same in languages without spaces."""
