"""The words of the demonstration grammar: slots, sentence patterns, English pieces.

`{slot}` in a pattern is filled by `grammar.py`; lower-case Latin is an English word, upper-case Latin is spelled
letter by letter; a hyphen stands for a space in `phrase` and in PIECES.
"""

from __future__ import annotations


def words(text: str) -> list[str]:
    return text.split()


# common/rare: the same pinyin, other characters. Training hears the rare one in about one occurrence in twenty,
# so that a decoder without a hotword writes the common one.
HOMOPHONES: list[tuple[str, ...]] = [
    tuple(pair.split("/"))
    for pair in words(
        """王伟/王炜 李娜/李纳 张静/张敬 刘洋/刘扬 陈晨/陈辰 赵磊/赵蕾 周杰/周捷 吴昊/吴浩 孙丽/孙莉 林峰/林枫
            何婷/何廷 许文/许雯 郭明/郭鸣 宋佳/宋嘉 唐静/唐婧 徐强/徐蔷 杨欣/杨鑫 朱红/朱虹 胡军/胡君 董洁/董杰
            黄英/黄瑛 谢芳/谢方 罗阳/罗扬 沈冰/沈兵 叶青/叶清 蔡琳/蔡林 高原/高源 马辉/马晖 梁宇/梁雨 邓强/邓蔷
            会议/会意 公式/公事 期中/期终 事故/世故 权利/权力 目的/墓地 报道/报到 花园/花圆 城市/程式 形式/形势"""
    )
]

SLOTS = {
    "room": words("客厅 卧室 厨房 书房 阳台 浴室 餐厅 车库 门口 走廊"),
    "device": words("""灯 空调 电视 窗帘 风扇 音箱 热水器 洗衣机 加湿器 扫地机 台灯 暖气 油烟机 门锁 摄像头 投影仪"""),
    "lamp": words("灯 台灯 吊灯 夜灯"),
    "color": words("红色 绿色 蓝色 白色 黄色 紫色 橙色 粉色"),
    "city": words(
        """北京 上海 广州 深圳 杭州 南京 成都 重庆 武汉 西安 天津 苏州 长沙 青岛 大连 厦门 昆明 三亚 拉萨 哈尔滨
        桂林 郑州 福州 兰州 香港 纽约 伦敦 东京"""
    ),
    "day": words("""今天 明天 后天 昨天 大后天 周末 周一 周二 周三 周四 周五 周六 星期天 下周一 下周五 这周六"""),
    "part": words("早上 上午 中午 下午 傍晚 晚上 凌晨 半夜"),
    "weather": words("下雨 下雪 刮风 降温 起雾 打雷 出太阳 冰雹 台风"),
    "thing": words(
        """带伞 吃药 开会 喝水 交作业 买菜 接孩子 取快递 交电费 洗衣服 浇花 锻炼 写报告 还书 给妈妈打电话 倒垃圾
        关煤气 睡觉"""
    ),
    "song": words(
        """月亮代表我的心 茉莉花 小苹果 青花瓷 稻香 平凡之路 后来 晴天 童年 朋友 海阔天空 千里之外 夜曲 甜蜜蜜 水手"""
    ),
    "kin": words("妈妈 爸爸 爷爷 奶奶 哥哥 姐姐 弟弟 妹妹 老师 经理 同学 医生 客户 司机"),
    "food": words("""苹果 香蕉 牛奶 面包 鸡蛋 西瓜 大米 牛肉 豆腐 土豆 葡萄 可乐 咖啡 饼干 橙汁 洗发水 牙膏 纸巾"""),
    "unit": words("斤 个 瓶 盒 袋 箱 包"),
    "drive": words("""机场 火车站 医院 学校 公司 超市 银行 地铁站 图书馆 公园 酒店 加油站 体育馆 博物馆 电影院 邮局"""),
    "ride": words("飞机票 火车票 高铁票 船票 汽车票"),
    "say": words(
        """我晚点回家 路上堵车 已经出发了 饭做好了 生日快乐 你在哪里 我到了 记得吃饭 文件发给你了 别忘了带钥匙
        辛苦了 马上就到 今晚不回家吃饭 新年快乐 注意安全 我想你了"""
    ),
    "mode": words("制冷 制热 除湿 睡眠 自动 静音 节能 省电 回家 离家 观影"),
    "app": words("微信 地图 相机 日历 闹钟 计算器 浏览器 邮箱 备忘录 录音机 相册 天气预报"),
    "story": words("三只小猪 白雪公主 西游记 孙悟空 小红帽 丑小鸭 龟兔赛跑 狼来了"),
    "word": words("会议 公式 期中 事故 权利 目的 报道 花园 城市 形式"),
    "en": words(
        """monday tuesday wednesday thursday friday saturday sunday hello music bluetooth wifi email ok iphone
        android google youtube netflix spotify coffee party meeting office update password movie photo video
        game story yesterday english chinese weekend summer winter online offline window python keyboard"""
    ),
    "weekday": words("monday tuesday wednesday thursday friday saturday sunday"),
    "brand": words("google youtube netflix spotify iphone android bluetooth wifi python"),
    "abbr": words("USB KTV GPS VIP ATM CEO CPU DVD LED PPT NBA HR IT APP AI PDF"),
    "short": words(
        """好 停 对 开 关 是 不 行 走 来 去 快 慢 上 下 左 右 前 后 高 低 大 小 早 晚 谢谢 你好 再见 可以 不行 好的
        继续 暂停 取消 确认 返回 下一首 上一首 开始 结束 没有 知道了 多少 帮助 喂 错 红 蓝 黑 白 冷 热 远 近 甜
        苦 等 睡"""
    ),
    "phrase": [
        phrase.replace("-", " ")
        for phrase in words(
            """hello-music happy-birthday good-morning good-night love-story game-over summer-party coffee-time
        thank-you yesterday-once-more"""
        )
    ],
}

# (weight, patterns)
PATTERNS = [
    (
        5,
        words("short"),
    ),
    (
        13,
        words(
            """打开{room}的{device} 关闭{room}的{device} 把{room}的{device}关掉 请帮我打开{device}
            {room}的{device}开了吗 把{room}的{lamp}调成{color} 把{lamp}调亮一点 把{lamp}调暗一点
            空调调到{temp}度 把{room}的温度设为{temp}度 {part}{time}打开{device} {n}分钟后关闭{device}
            切换到{mode}模式 把空调设成{mode}模式 音量调到百分之{n} 声音大一点 声音太大了小一点 关闭所有的{lamp}
            {room}现在多少度 窗帘打开百分之{n}"""
        ),
    ),
    (
        9,
        words(
            """{city}{day}天气怎么样 {day}{city}会{weather}吗 {day}{part}会不会{weather} {city}现在多少度
            {day}{city}最高气温{n}度 {day}出门要不要带伞 {city}{day}空气质量怎么样
            {day}{part}{city}有{weather}吗 未来{d}天{city}的天气 {day}气温零下{d}度"""
        ),
    ),
    (
        9,
        words(
            """提醒我{day}{part}{time}{thing} {day}{part}{time}叫我起床 {part}{time}提醒我{thing}
            定一个{time}的闹钟 取消{day}{part}的闹钟 {n}分钟后提醒我{thing} 每天{part}{time}提醒我{thing}
            设置一个{n}分钟的倒计时 现在几点了 {day}几号 {date}提醒我{thing} 把{day}的提醒改到{part}{time}"""
        ),
    ),
    (
        22,
        words(
            """{phone} 我的电话是{phone} 拨打{phone} 订单号是{digits} 查一下订单{digits} 验证码是{code}
            快递单号{digits} {digits} 密码是{code} 身份证号是{digits} 卡号{digits} 我的手机号是{phone}
            记一下号码{phone} 房间号是{code} 尾号{code}的银行卡 车牌号尾数{code} {code}"""
        ),
    ),
    (
        5,
        words(
            """今天是{date} {date}是星期几 我的生日是{date} {year}年{date} {date}到{date}请假 距离{date}还有几天
            会员{date}到期 {date}{part}{time}出发 现在是{part}{time}"""
        ),
    ),
    (
        20,
        words(
            """给{person}打电话 给{person}发消息说{say} 告诉{person}{say} 打电话给{person} {person}的电话是多少
            {person}{day}{part}{time}来吗 和{person}{day}{time}见面 请{person}到{drive}等我 {person}在{city}吗
            把文件发给{person} {person}说{say} {person}什么时候到{city} 我是{person} 通知{person}{day}开会
            帮我找{person} 给{kin}打电话 给{kin}发消息说{say} 告诉{kin}{say}"""
        ),
    ),
    (
        10,
        words(
            """{word}几点开始 取消{day}的{word} 查一下{word} 记录{word}的内容 关于{word}的文件 打开{word}的资料
            {day}{part}的{word}怎么样 说说你的{word} 我想了解{word} 把{word}发给{person} 这个{word}很重要"""
        ),
    ),
    (
        5,
        words(
            """播放{song} 我想听{song} 下一首播放{song} 循环播放{song} 来一首{song} 播放{kin}喜欢的{song}
            讲一个{story}的故事 我要听{story} 播放新闻 暂停播放 把{song}加到收藏"""
        ),
    ),
    (
        7,
        words(
            """{a}加{b}等于几 {a}减{b}等于多少 {a}乘{b}等于多少 {a}除以{b}等于几 {a}加{b}等于{a} 百分之{n}是多少
            {a}的平方是多少 {n}点{d}乘{d} {a}元打{d}折是多少 {a}和{b}哪个大"""
        ),
    ),
    (
        6,
        words(
            """买{d}{unit}{food} 我要买{d}{unit}{food} {food}多少钱一{unit} 把{food}加入购物车 {food}一共{a}元
            再来{d}{unit}{food} {food}和{food}各买{d}{unit} 帮我下单{food} 取消订单 这个{food}太贵了"""
        ),
    ),
    (
        6,
        words(
            """导航去{drive} 去{drive}怎么走 附近的{drive}在哪里 订一张{day}去{city}的{ride} 从{city}到{city}多远
            帮我叫车去{drive} {city}到{city}的{ride}多少钱 查一下{day}到{city}的{ride} 避开拥堵
            预订{city}的酒店住{d}天 打开{app} 关闭{app}"""
        ),
    ),
    (
        13,
        words(
            """播放{phrase} 打开{brand} {weekday}有空吗 把{en}发给{person} 搜索{en} 连接{brand} 我想看{en}
            {en}怎么说 {en}用中文怎么说 打开{abbr} 这里有{abbr}吗 把{abbr}打开 {day}去{abbr} 我的{abbr}坏了
            {abbr}是什么意思 {weekday}{part}{time}开会 {phrase} {en} {abbr} 我在{en}等你 {day}的{en}取消了
            用{brand}播放{phrase} {person}的{en}是多少 下载{en}和{en} 插上{abbr}再重启 {abbr}和{abbr}哪个好"""
        ),
    ),
]

# Pieces as in the real model's vocabulary: `@@` says that the word goes on.
PIECES = {
    word.replace("@@-", ""): word.replace("-", " ")
    for word in words(
        """mon@@-day tues@@-day wednes@@-day thurs@@-day fri@@-day satur@@-day sun@@-day blue@@-too@@-th wi@@-fi
        e@@-mail i@@-phone and@@-ro@@-id you@@-tu@@-be net@@-fli@@-x spo@@-ti@@-fy meet@@-ing up@@-date
        pass@@-word birth@@-day mor@@-ning yester@@-day eng@@-lish chin@@-ese week@@-end sum@@-mer win@@-ter
        on@@-line off@@-line win@@-dow py@@-thon key@@-board goo@@-gle cof@@-fee vi@@-deo"""
    )
}
