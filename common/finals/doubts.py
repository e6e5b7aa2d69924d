"""Where digits would be a guess, as what was said may be vague, several numbers, or a word: it stays in characters.

A number left in characters although it was certain costs little; a number that nobody said costs the user's trust.
"""

from __future__ import annotations

import re

from common.finals.numerals import NUMERAL, ONES

MEASURES = (
    "个|名|位(?!数)|岁|年|月|日|号|天|周|小时|点|时|分钟(?!爱|情|意)|秒|元|块|角|毛|万|亿|倍|次|米|厘米|毫米|公里|公斤|斤|克"
    "|吨|升|度|层|楼|路|章|节|页|条|台|辆|本|张|只|家|种|件|间|套|版|寸|多|千[克米瓦卡赫伏帕焦]|比|到|至|乘|加|减|平"
)
OTHERS = "萬億兩廿卅壹贰叁肆柒捌玖佰仟"  # numerals written another way: traditional, formal, old

# Searched in before>number<after, where ``number`` is a numeral, a decimal, a fraction or per cent.
DOUBT = re.compile(
    rf"""
    # Other digits touch it.
      [\d{OTHERS}][.:,/-]?> | <[.:,/-]?[\d{OTHERS}]
    # Vague: 几十, 数十, 十来个, 二十几, 一百数十, 千儿八百, 数以十万计; 十七、八个.
    | 几> | 数>[十百千万亿]+< | [十百千万亿]<[来余] | <(?:好?几|数[十百千万]|单) | [百千万]儿> | 数以>
    | <、[一二三四五六七八九](?!{NUMERAL})
    # 十点五十一点 may be 10:50 and one o'clock, 三块二十块 3.2 and 10.
    | ([月点时分块元毛角米度斤])>[^<]*<\1
    # 三到五百 is 300 to 500, and 七十到八十万五千 begins with 700,000.
    | (?<!{NUMERAL})[一二两三四五六七八九][到至或、]>[一二两三四五六七八九][十百千]+[万亿]?<
    | (?<![万亿])[十百千一二三四五六七八九][到至或、]>[^<]*[万亿][^<万亿]
    # Its beginning belongs to a word: 周三十点, 初三, 正月十五, 张三十岁, 统一百货, 之一百.
    | (?:周|星期|礼拜)>[一二三四五六] | 初> | 大年> | [正腊冬]月> | [老阿]>[{ONES}]
    | 张>三 | 李>四 | 王>[五八] | 赵>六 | 小>[二三] | [再高]>三 | 不>二 | [统唯专划单逐同]>一 | (?<!分)之>[一二]
    # Its end belongs to a word: 二十一直走, 三十四川人, 第三百货, 第一千万别忘.
    | 一<(?:[起直样般定些旦切共会律致再向同半齐概味贯带流生身丝旁边]|部分|系列|辈子|方面|口气|下子)
    | 二<[维手胡者氧战极] | 三<(?:[亚峡明文轮维叉]|角形|国演) | 四<[川肢合处季散溅溢射顾海] | 五<[官金谷星花彩岳颜味脏]
    | 六<[合朝神] | 七<[夕律绝] | 八<(?:[卦仙戒旗股达]|国(?!道)|路军) | 九<[州寨华江龙宫泉]
    | 十<(?:[足全]|字[路架军]) | 百<[货姓科合般花官] | 千<[金古秋方军变辛丝真钧姿] | 万<[能物事科历象幸无]
    | 千万<[别不要得记]
    # A decimal, or a time and something else: 下午三点五个人, 差一点二十, 三点一过, 这三点一是; 八点零五 is either.
    | [差有快早晚多少大小好慢高低这那没]>一(?:点|<点) | 第>[^<]*点
    | (?:[上下中]午|早上|[今明昨]?晚上?|[今明]早|凌晨|傍晚|清晨|夜里)>[^<]*点
    | >[^<]+点[^<]*<(?:个(?!小时|百?分?点|月|亿|钟头|学分)|[人位名是线点滴过]) | >[^<]+点一<到
    | >(?:[{ONES}两]|十[一二三四五六七八九]?|二十[一二三四]?)点零[一二三四五六七八九]<
    # 一百分之五 is 5/100, or something that ends in 一 and 5 %.
    | >[^<]*.百分之 | <分之
    # 十 alone is as often a word (十分, 十字路口, 十全十美): it is 10 only before a measure.
    | (?<![点第比到至加减乘以又])>十<(?!{MEASURES})
    """,
    re.VERBOSE,
)
IDIOMS = re.compile(
    "三十而立|四十不惑|五十(?:而)?知天命|六十(?:而)?耳顺|七十(?:而从心|古来稀)|十年树木"
    "|十年(?:寒窗|磨|怕井|生聚|如一日)|十万火急|十万八千里|五十步笑百步|三百六十行|三十年河[东西]|三十六计|不怕一万"
    "|十(.)[两三五八]\\1|十[天年]半|一点半[点滴]|一点[一两]点"
    "|七零八|零七八碎|说一千|正经八百|半九十|十一(?:黄金|长假|假期)|十月革命|十日谈|十三陵|路易十"
)
REACH = 8  # characters on either side that a rule may look at


def doubtful(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]``, said as one number, may mean something else."""
    number = text[start:end]
    first = max(0, start - REACH)
    before, after = text[first:start], text[end : end + REACH]
    if DOUBT.search(f"{before}>{number}<{after}"):
        return True
    for idiom in IDIOMS.finditer(before + number + after):
        if first + idiom.start() < end and start < first + idiom.end():
            return True
    return _several(number.replace("幺", "一"), before, after)


def _several(run: str, before: str, after: str) -> bool:
    """Whether digits said one by one may be several numbers: 三四个, 周一三五, 二三四月, 九八九九年."""
    digits = run.rstrip("万亿")
    if len(digits) < 2 or not set(digits) <= set(ONES):
        return False
    if digits != run:
        return True  # 三五万, 五二零一万
    steps = [ONES.index(right) - ONES.index(left) for left, right in zip(digits, digits[1:])]
    is_year = re.match("年(?![级华])", after)
    if re.search(f"{NUMERAL}点$", before):
        return re.match("零.<分", f"{digits}<{after}") is None  # 八点零五分
    if len(digits) == 2:
        return not (is_year and digits[0] in "零五六七八九" and steps != [1])
    if re.search("[A-Za-z]$", before):
        return False
    if is_year and (len(digits) != 4 or digits[0] not in "一二"):
        return True
    in_a_row = len(digits) <= 6 and len(set(steps)) == 1 and steps[0] != 0
    climbs = len(digits) <= 4 and min(steps) > 0 and "零" not in digits and not is_year
    return in_a_row or climbs or steps in ([0, 1, 0], [0, 2, 0])  # 七七八八, 三三五五
