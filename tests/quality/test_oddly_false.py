"""Claims that are false in one place or by little, and true ones next to them: which holds, and that none of the others does."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp
from hypothesis.strategies import integers
from sympy import (
    Abs,
    And,
    E,
    Eq,
    Equivalent,
    Heaviside,
    Implies,
    Integral,
    Limit,
    Max,
    Min,
    Mod,
    Ne,
    Not,
    Or,
    Piecewise,
    Product,
    Sum,
    Xor,
    binomial,
    ceiling,
    exp,
    factorial,
    floor,
    gamma,
    im,
    limit,
    log,
    oo,
    pi,
    re,
    sqrt,
    summation,
    zoo,
)  # fmt: skip
from sympy import Rational as R

from dstheory.claims import (
    CLOSED_UNIT,
    COUNT,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    ClaimError,
    Domain,
    Outcome,
    between,
    check,
    decide,
    derivative,
    early,
    enclose,
    example,
    identity,
    search,
)  # fmt: skip

p, q, a, b, x, y, z, n, m, V, W, k = sp.symbols("p q a b x y z n m V W k")
VP, VN, VE = sp.Symbol("V", positive=True), sp.Symbol("V", nonnegative=True), sp.Symbol("V", even=True)
Z0 = sp.Symbol("Z0")
e_x, k_positive, x_negative = sp.Symbol("exp(x)"), sp.Symbol("k", positive=True), sp.Symbol("x", negative=True)
zero_at_2 = sqrt(3 + x * sqrt(2)) - 1 - sqrt(2)  # and exact evaluation does not see it
H, e12 = R(1, 2), R(1, 10**12)
U, U2, X, XY, N, Z = {p: UNIT}, {"p a": UNIT}, {x: REAL}, {"x y": REAL}, {n: COUNT}, Domain(integer=True)


def false(domain: Any, *proof: Any, **fields: Any) -> Any:
    """A claim by its domain and its steps, each built when it is checked."""
    return domain, proof, fields


true = false


def outcome(domain: Any, proof: Any, fields: Any) -> Outcome:
    """What a check says; error, if it is refused where it is written."""
    try:
        with early.watched(""):
            claim = Claim(id="c", statement="S.", domain=domain, proof=[step() for step in proof], **fields)
        return check(claim).outcome
    except ClaimError:
        return Outcome.ERROR


# fmt: off
FALSE = [
    # equality at one point only / all but one
    false(U,lambda: identity("",p**2+R(1,4),p)),
    false(U,lambda: decide("",Ne((3*p-1)*(p+1),0))),
    false(U,lambda: decide("",p**2+R(1,4)>p)),
    false(X,lambda: decide("",(x-sqrt(2))**2>0)),
    false(X,lambda: decide("",(x**3-2)**2>0)),
    false(X,lambda: decide("",Ne(x**4-10*x**2+1,0))),
    false(XY,lambda: decide("",x**2+y**2>0)),
    false(XY,lambda: decide("",Ne(x**2+y**2,0))),
    false(X,lambda: decide("",(x-R(123457,1000003))**2>0)),
    false(XY,lambda: decide("",(x-y)**2+(x+y-R(7,13))**2>0)),
    false(U2,lambda: decide("",p**2+a**2>2*p*a)),
    false(U2,lambda: decide("",(p+a)/2>sqrt(p*a))),
    # off by 1e-12
    false(U,lambda: identity("",(p+1)**2,p**2+2*p+1+e12)),
    false(U,lambda: identity("",p*(1+e12),p)),
    false(U,lambda: decide("",p<1-e12)),
    false(U,lambda: decide("",p>e12)),
    false(U,lambda: decide("",p*(1-p)<R(1,4)-e12)),
    false(U,lambda: decide("",log(1+p)<=p-e12)),
    false(U,lambda: decide("",exp(p)>=1+p+e12)),
    false(U,lambda: decide("",exp(p/2)>=1+p/2+R(1,10**9))),
    false(U,lambda: decide("",log(1+p)>p*log(2)+R(1,10**6))),
    false(U2,lambda: decide("",exp((a+2)*log(p)-a*log(p))>=2*p-1+R(1,10**9))),
    false(U,lambda: identity("",log(2*p),log(p)+log(2)+e12)),
    false({x:POSITIVE},lambda: identity("",log(4*x**2+4*x+1),2*log(2*x+1)+log(2))),
    false(U,lambda: identity("",sqrt(p)**2,p+e12*p)),
    false(U,lambda: identity("",p**R(2,3),2*p**R(1,3))),
    false(U,lambda: decide("",p*pi<p*(pi-e12))),
    false(U,lambda: identity("",p*E,p*R(271828182845904,10**14))),
    false(U,lambda: decide("",Abs(p-H)>=e12)),
    false(U,lambda: identity("",p*pi,p*(pi+e12))),
    false(U,lambda: identity("",p*sqrt(2)*sqrt(3),p*sqrt(6)+p*e12)),
    false(U,lambda: identity("",p*log(6),p*log(2)+p*log(3)-p*e12)),
    false(X,lambda: enclose("",x*(1-x)<=R(1,4)-e12,{x:(0,1)})),
    false(U,lambda: enclose("",log(p)<-e12,{p:("1/10","999999999999999/1000000000000000")})),
    false(X,lambda: enclose("",exp(x)>1+x,{x:(-1,1)})),
    # conditions that exclude the counterexample only by name
    false({"p q":UNIT},lambda: decide("",Ne(p,H),given=[Ne(q,H)])),
    false({"p q":UNIT},lambda: decide("",p**2+R(1,4)>p,given=[Ne(q,H)])),
    false(U,lambda: decide("",Ne(p,H),given=[Ne(V,H)]),definitions={V:1-p+R(1,100)}),
    false(U,lambda: decide("",p**2+R(1,4)>p,given=[Ne(V,R(1,3))]),definitions={V:p**2}),
    false(U,lambda: decide("",Ne(p,R(1,3)),given=[Ne(p,R(1,4))])),
    false({p:UNIT,n:COUNT},lambda: decide("",p*n>p*p*n*n,given=[Ne(n,5)])),
    false(X,lambda: decide("",x**2>x,given=[Ne(x,0),Ne(x,1)])),
    false(X,lambda: decide("",1/x<=1,given=[Ne(x,0),x<H])),
    false(X,lambda: decide("",x*x>=x,where={"y":UNIT},given=[Ne(sp.Symbol("y"),H)])),
    # nested Abs Max Min Piecewise
    false(XY,lambda: decide("",Abs(x+y)>=Abs(x)+Abs(y))),
    false(XY,lambda: identity("",Abs(Abs(x)-Abs(y)),Abs(x-y))),
    false(X,lambda: identity("",Max(x,Min(-x,x)),x+Abs(x))),
    false(X,lambda: decide("",Abs(Abs(Abs(x)-1)-1)<=1)),
    false(XY,lambda: identity("",Max(x,y)*Min(x,y),Abs(x*y))),
    false(X,lambda: decide("",Max(Min(x,1),-1)>=x)),
    false(XY,lambda: identity("",Max(x,y),(x+y-Abs(x-y))/2)),
    false(XY,lambda: decide("",Max(x**2,y**2)>x*y)),
    false(X,lambda: identity("",Piecewise((x,x>0),(-x,True)),x)),
    false(X,lambda: decide("",Piecewise((1,x>0),(0,True))>=H)),
    false(XY,lambda: decide("",Min(x,Max(y,Min(x,y)))>=Min(x,y)+e12)),
    false(X,lambda: identity("",Abs(x)**3,x**3)),
    false(U,lambda: decide("",Max(p,1-p,H)>H)),
    false(U,lambda: decide("",Min(p,Abs(p-H))<R(1,4))),
    false(XY,lambda: decide("",Abs(Max(x,y)-Min(x,y))>Abs(x-y)/2)),
    # floor, ceiling, Mod, sign, Heaviside
    false(X, lambda: decide("",floor(x)>=x)),
    false(X, lambda: decide("",ceiling(x)<=x)),
    false(X, lambda: identity("",floor(x)+ceiling(x),2*x)),
    false(X, lambda: decide("",Mod(x,1)>0)),
    false(X, lambda: identity("",sp.sign(x)*x,x)),
    false(X, lambda: identity("",Heaviside(x),1)),
    false(X, lambda: identity("",x*Heaviside(x),x)),
    false(X, lambda: decide("",sp.sign(x)**2>=1)),
    false(X, lambda: identity("",floor(x+H),floor(x))),
    false(X, lambda: identity("",Mod(2*x,2),Mod(x,1))),
    false(X, lambda: identity("",re(x)+im(x),x*2)),
    false(N,lambda: decide("",Mod(n,2)>0)),
    false(N,lambda: identity("",floor(n/2)*2,n)),
    # complex intermediate
    false(X,lambda: identity("",sqrt(x)**2,x)),
    false(X,lambda: identity("",log(x**2),2*log(x))),
    false(X,lambda: identity("",(-x)**H*(-x)**H,x)),
    false(X,lambda: identity("",exp(log(x)),x)),
    false(X,lambda: identity("",sqrt(x**2),x)),
    false(X,lambda: identity("",(x**2)**R(3,2),x**3)),
    false(X,lambda: identity("",(x**3)**R(1,3),x)),
    false({"x y":REAL},lambda: identity("",sqrt(x/y),sqrt(x)/sqrt(y),given=[x*y>0])),
    false(X,lambda: decide("",sqrt(x-5)>=0,given=[x<4])),
    false(U,lambda: identity("",sqrt(-p)*sqrt(-p),p)),
    false(U,lambda: identity("",sqrt(p-1)**4,(p-1)*p)),
    false(U,lambda: decide("",log(p-1)<0)),
    false(U,lambda: decide("",Ne(p*(-1)**H,p))),
    # integers, products, factorials, binomials
    false(N,lambda: decide("",2**n>n**2)),
    false(N,lambda: decide("",factorial(n)>n)),
    false(N,lambda: identity("",binomial(n,2),n**2/2)),
    false(N,lambda: identity("",binomial(n,n-1),n+1)),
    false(N,lambda: identity("",binomial(-n,2),n*(n-1)/2)),
    false({n:Z},lambda: identity("",(-1)**n,1)),
    false({n:Z},lambda: decide("",n*(n-1)*(n-2)>=0)),
    false(N,lambda: identity("",Product(k,(k,1,5))*n,119*n)),
    false(N,lambda: identity("",Product(n+k,(k,1,3)),n**3+6*n**2+11*n+7)),
    false(N,lambda: identity("",Sum(k**2,(k,1,n)),n**3/3)),
    false(N,lambda: identity("",gamma(n+1),n)),
    false({n:COUNT,p:UNIT},lambda: decide("",p**n<p)),
    false({n:COUNT,p:UNIT},lambda: decide("",(1-p)**n>=1-p)),
    false({n:COUNT,p:UNIT},lambda: decide("",(1+p)**n>1+n*p)),
    false({"n m":COUNT},lambda: decide("",Ne(n**2+m**2,25))),
    false({n:COUNT},lambda: decide("",Ne(n**2-n+41,n*0+1681))),
    false({"n m":COUNT},lambda: decide("",Ne(n**2-2*m**2,1))),
    false({n:COUNT},lambda: decide("",n/2>=1)),
    false({n:COUNT},lambda: decide("",Ne(n*(n-97),0))),
    # domains that are empty or touch
    false({x:between(0,1,"[]")},lambda: decide("",x>0)),
    false({x:between(0,1,"[]")},lambda: decide("",x<1)),
    false({x:between(1,1,"[]")},lambda: decide("",x<1)),
    false({x:between(0,1,"[]"),y:between(1,2,"[]")},lambda: decide("",x<y)),
    false({x:between(0,1,"[]"),y:between(1,2,"[]")},lambda: decide("",Ne(x,y))),
    false({n:Domain(None,None,integer=True)},lambda: decide("",n**2>0)),
    false({x:REAL},lambda: decide("",x>0),assumptions=[x>=0,x<=0]),
    false({x:REAL},lambda: decide("",x>0),assumptions=[x>1,x<1]),
    false({x:REAL},lambda: decide("",x>5),assumptions=[x**2<0]),
    false({n:COUNT},lambda: decide("",n>5),assumptions=[2*n>2,2*n<4]),
    false({x:REAL},lambda: decide("",x>5),assumptions=[exp(x)<0]),
    false({x:REAL},lambda: decide("",x>5),assumptions=[x<0,sqrt(x)>1]),
    false(XY,lambda: decide("",x>y),assumptions=[x>y,y>x]),
    false({x:REAL},lambda: decide("",x>5),assumptions=[Abs(x)<0]),
    false({x:REAL},lambda: decide("",x*pi>7),assumptions=[x>pi,x<R(314,100)]),
    # circular / shadowing
    false(U,lambda: decide("",V>1),definitions={V:W,W:V}),
    false(U,lambda: decide("",V>1),definitions={V:V}),
    false(U2,lambda: decide("",p>1),definitions={p:2*a}),
    false(U,lambda: decide("",V>1,using={V:2*p}),definitions={V:p}),
    false(U,lambda: decide("",sp.Symbol("p",positive=True)>1)),
    false(U,lambda: decide("",Sum(p,(p,2,3))>1)),
    false(U,lambda: identity("",derivative(V,p),1),definitions={V:p**2}),
    false(U,lambda: identity("",derivative(derivative(V,p),p),2*p),definitions={V:p**2}),
    false(U,lambda: identity("",derivative(V*W,p),V*W),definitions={V:p**2,W:p}),
    false(U,lambda: decide("",Sum(V,(k,1,3))>3),definitions={V:p}),
    # limits, infinite sums
    false(U,lambda: identity("",Limit(p*x,x,0),p)),
    false(U,lambda: identity("",Sum(p**k,(k,0,oo)),1/(1-p))),
    false(U,lambda: identity("",Integral(p,(p,0,1)),p)),
    false(U,lambda: identity("",p*summation(1/k**2,(k,1,oo)),p*R(1644934,10**6))),
    false(U,lambda: identity("",p*limit((1+1/k)**k,k,oo),p*R(27182818,10**7))),
    false(U,lambda: identity("",Sum((-1)**k*p,(k,0,oo)),p/2)),
    false(U,lambda: decide("",p<oo)),
    false(U,lambda: decide("",p*zoo>1)),
    # units
    false({p:CLOSED_UNIT},lambda: decide("",p*(1-p)>0)),
    false({"p a b":CLOSED_UNIT},lambda: decide("",p*a/(1-(p*(1-a)+(1-p)*b))<=1)),
    false({"p a b":CLOSED_UNIT},lambda: decide("",p*a<=p*a*b)),
    false({"p a":CLOSED_UNIT},lambda: decide("",p**a<=1)),
    false({"p a":CLOSED_UNIT},lambda: decide("",p/(p+a)<=1)),
    false({p:CLOSED_UNIT},lambda: decide("",log(p)<=0)),
    false({p:NONNEGATIVE},lambda: decide("",(p**2+p)/p>=1)),
    false({"p a b":UNIT},lambda: decide("",p*a/(1-p*(1-a)-(1-p)*b)>p)),
    false({"p a b":UNIT},lambda: decide("",Implies(a+b>=1,p*a/(1-p*(1-a)-(1-p)*b)>p))),
    # assumptions that say less than they seem to
    false(X,lambda: decide("",Eq(x,1)),assumptions=[Eq(x**2,1),x>-2]),
    false(X,lambda: decide("",x**2<=4),assumptions=[x<=R(2000001,1000000),x>=-2]),
    false(X,lambda: decide("",x>0),assumptions=[Or(x>1,x<-1)]),
    false(XY,lambda: decide("",And(x>0,y>0)),assumptions=[Equivalent(x>0,y>0)]),
    false(XY,lambda: decide("",x>0),assumptions=[Xor(x>0,y>0)]),
    false(XY,lambda: decide("",Implies(y>0,x>0)),assumptions=[Implies(x>0,y>0)]),
    false(X,lambda: decide("",x<0),assumptions=[Not(x>0)]),
    false(XY,lambda: decide("",x>0,given=[Max(x,y)>0])),
    false(XY,lambda: decide("",Ne(x*y,2)),assumptions=[Min(x,y)>=R(14,10)]),
    # Max and Min within conditions
    false(XY,lambda: decide("",Implies(Max(x,y)>=1,Min(x,y)>=0))),
    false(XY,lambda: decide("",Equivalent(Min(x,y)>=0,And(x>0,y>=0)))),
    false(XY,lambda: decide("",Equivalent(Max(x,y)>0,Or(x>=0,y>0)))),
    false({x:POSITIVE,y:REAL},lambda: decide("",Min(x*y,Min(Max(x,R(4,5)),R(6,5))*y)>=Min(Max(x,R(4,5)),R(6,5))*y)),
    false({"x y z":REAL},lambda: identity("",Max(Min(x,y),Min(y,z)),Max(Min(x,y),Min(Max(x,y),z)))),
    false({"x y z":CLOSED_UNIT},lambda: decide("",Implies(Max(x,y,z)<=H,x+y+z<R(3,2)))),
    # true for generic numbers
    false(XY,lambda: decide("",Implies(Eq(x*y,x),Eq(y,1)))),
    false(X,lambda: decide("",Implies(Eq(x**2-3*x+2,0),Eq(x,2)))),
    false(XY,lambda: decide("",Implies(And(Eq(x+y,2),Eq(2*x+2*y,4)),Eq(x,1)))),
    false(XY,lambda: decide("",Implies(Eq(exp(x**2),exp(y**2)),Eq(x,y)))),
    false(X,lambda: identity("",x/Abs(x),1,given=[Ne(x,0)])),
    # exp, log and powers where equality is reached
    false({"p q":UNIT},lambda: decide("",p*log(p/q)+(1-p)*log((1-p)/(1-q))>0)),
    false(U,lambda: decide("",-p*log(p)-(1-p)*log(1-p)<log(2))),
    false(X,lambda: decide("",exp(x)>E*x)),
    false({x:POSITIVE},lambda: decide("",log(x)<x/E)),
    false({x:POSITIVE},lambda: decide("",x**x>=R(7,10))),
    false({x:between(0,10,"[]")},lambda: decide("",exp(x)<22026)),
    # ends of intervals, of the integers too
    false({n:Domain(0,3,integer=True)},lambda: decide("",n<2)),
    false({n:Domain(0,3,upper_open=False,integer=True)},lambda: decide("",n<3)),
    false({x:between(0,1,"(]")},lambda: decide("",x*(1-x)>0)),
    false({x:between(0,1,"[)")},lambda: decide("",x*(1-x)>0)),
    false({"p a":CLOSED_UNIT},lambda: decide("",(p+a)/(1+p*a)<1)),
    # large integers
    false(N,lambda: decide("",Ne(n*(n-10**40-1),0))),
    false(N,lambda: decide("",Ne(n+2**60,2**60+1))),
    false(U,lambda: decide("",p*10**300<10**300-1)),
    false(U,lambda: identity("",p*R(10**50,10**50+1),p)),
    false(X,lambda: decide("",(x-10**200)**2>0)),
    # floats that were made exact
    false(U,lambda: identity("",p*R(0.1),p/10)),
    false(U,lambda: identity("",p*R(str(0.1+0.2)),p*R(3,10))),
    # sums whose ends are no numbers
    false(U,lambda: identity("",Sum(p,(sp.Symbol("j"),1,k),(k,1,3)),5*p)),
    false(U,lambda: identity("",Sum(p,(k,1,V)),4*p),definitions={V:sp.Integer(3)}),
    false(U,lambda: identity("",Sum(p/k,(k,0,2)),p)),
    false(U,lambda: identity("",p+Sum(p*k,(k,3,1)),p)),
    # an end that only an irrational number reaches, of signs that are turned and of those that are not
    false({x:POSITIVE},lambda: decide("",Or(2-x**3>0,x**3-2>0))),
    false({x:POSITIVE},lambda: decide("",Or(2-x**3<0,x**3-2<0))),
    false({x:POSITIVE},lambda: decide("",Or((x+1)**2>x*(x+2)+1,Ne(x**2,2)))),
    false({x:POSITIVE},lambda: decide("",Ne(x**2,2)),assumptions=[(x+1)**2>=x*(x+2)+1]),
    false({x:POSITIVE},lambda: decide("",x**3<2),assumptions=[x**3<=2]),
    # one factor of a denominator is never zero, the other is
    false({x:POSITIVE},lambda: decide("",1/(x**2-x)**2>=0)),
    false({x:POSITIVE},lambda: identity("",(x**4-2*x)/(x**4+x**3-2*x-2),x/(x+1))),
    # no value somewhere: on the right, in what is multiplied by 0, or where there is no derivative
    false({x:POSITIVE},lambda: decide("",sp.Ge(1,-1/(x-1)**2))),
    false({x:POSITIVE},lambda: decide("",Or(x<0,sp.Ge(1,-1/(x-1)**2)))),
    false({x:between(-2,-1)},lambda: decide("",1+Z0/x+Z0*log(x)>0),definitions={Z0:sp.Integer(0)}),
    false({x:between(-2,-1)},lambda: decide("",1+Z0*log(x)**2>0),definitions={Z0:sp.Integer(0)}),
    false({x:between(-2,-1)},lambda: decide("",1+Z0*sqrt(x)>0),definitions={Z0:sp.Integer(0)}),
    false({x:CLOSED_UNIT},lambda: decide("",1+Z0*log(x)>0),definitions={Z0:sp.Integer(0)}),
    false({x:CLOSED_UNIT},lambda: decide("",1+Z0/sqrt(x)>0),definitions={Z0:sp.Integer(0)}),
    false({x:CLOSED_UNIT},lambda: decide("",x+Z0*log(W)>=0),definitions={Z0:sp.Integer(0),W:sp.Integer(-1)}),
    false({x:CLOSED_UNIT},lambda: decide("",x+Z0*sqrt(W)>=0),definitions={Z0:sp.Integer(0),W:sp.Integer(-1)}),
    false({x:POSITIVE},lambda: identity("",derivative(sqrt((x-1)**2),x)**2,1)),
    false({x:POSITIVE},lambda: identity("",(derivative(x+sqrt((x-1)**2),x)-1)**2,1)),
    false({x:POSITIVE},lambda: identity("",derivative(Sum(k*sqrt((x-1)**2),(k,1,2)),x)**2,9)),
    false({x:POSITIVE},lambda: identity("",Sum(derivative(k*sqrt((x-1)**2),x)**2,(k,1,2)),5)),
    false({x:POSITIVE},lambda: identity("",derivative(x+Z0*sqrt((x-1)**2),x)*(x+1),x+1),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: decide("",x**2+Z0*(-2)**x>=0),definitions={Z0:sp.Integer(0)}),
    false({x:POSITIVE},lambda: identity("",derivative(V,x)**2,1),definitions={V:sqrt((x-1)**2)}),
    false({x:POSITIVE},lambda: identity("",sp.Derivative(((x-1)**2)**R(3,2),(x,3))**2,36)),
    false({x:POSITIVE},lambda: identity("",derivative((x-1)/V,x),0),definitions={V:x-1}),
    # what SymPy was told about a definition, and is not so
    false(X,lambda: decide("",sqrt(VP**2)*(1+x**2)<=x+x**3),definitions={VP:x}),
    false({x:NONNEGATIVE},lambda: decide("",sp.sign(VP)+VP**2>=1+x**2),definitions={VP:x}),
    false({x:between(-2,-1)},lambda: decide("",sqrt(VN**2)*(1+x**2)<=x+x**3),definitions={VN:x}),
    false(N,lambda: decide("",1+n<=VE+(-1)**VE),definitions={VE:n}),
    false(X,lambda: decide("",sqrt(VP**2)*(1+x**2)<=x+x**3,using={VP:x})),
    # no value somewhere, in what belongs to one step
    false({x:POSITIVE},lambda: identity("",x+1,(x**2-1)/(x-1))),
    false(X,lambda: decide("",1+Z0*V>0,using={V:1/x}),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: decide("",1+Z0*V>0,using={V:1/x},given=[Ne(V,0)]),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: decide("",x+2>V+Z0*W,using={V:x+1,W:1/x},given=[Ne(W,0)]),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: decide("",x**2+Z0*W>0,using={V:x+Z0*W,W:1/x},given=[Ne(V,0)]),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: decide("",x**2>=0,given=[1+Z0/x>0]),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: decide("",x**2>=0,given=[Ne(1/x,0)])),
    false({x:between(0,2)},lambda: enclose("",1+Z0/(x-H)>0,{x:(H,R(3,2))}),definitions={Z0:sp.Integer(0)}),
    false({x:between(0,2)},lambda: enclose("",1+Z0/(x-R(3,2))>0,{x:(H,R(3,2))}),definitions={Z0:sp.Integer(0)}),
    false(U,lambda: enclose("",p<3,{p:(H,2)})),
    false(U,lambda: enclose("",p>-1,{p:(0,H)})),
    false(X,lambda: example("",1+Z0*log(x)>0,{x:-1}),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: example("",1+Z0*V>0,{x:-1},using={V:log(x)}),definitions={Z0:sp.Integer(0)}),
    false(X,lambda: example("",x<0,{x:-1},given=[1+Z0*log(x)>0]),definitions={Z0:sp.Integer(0)}),
    false({x:POSITIVE},lambda: example("",1+Z0*log(zero_at_2)>0,{x:2}),definitions={Z0:sp.Integer(0)}),
    false({x:POSITIVE},lambda: example("",x>1,{x:2},given=[zero_at_2>0])),
    # symbols and definitions of one step are not those of another
    false(X,lambda: decide("",x>0,where={x:POSITIVE})),
    false(X,lambda: decide("",V>0,where={V:POSITIVE}),definitions={V:x}),
    false(X,lambda: identity("",(V+1)**2,x**2+2*x+1,using={V:x}),lambda: identity("",(V+1)**2,x**2+2*x+1,using={V:x+e12})),
    # from what no point satisfies anything would follow
    false({x:POSITIVE},lambda: decide("",Implies(x**3+1<0,x>5))),
    false({x:POSITIVE},lambda: decide("",Equivalent(x**3+1<0,x**5+3<0))),
    false({x:POSITIVE},lambda: decide("",Implies(x>1,Implies(x**3<1,x>7)))),
    false({x:POSITIVE},lambda: decide("",And(x**3>0,Implies(x**3+1<0,x>5)))),
    false({x:POSITIVE},lambda: decide("",Or(x**3>7,Implies(x**3+1<0,x>5)))),
    false(X,lambda: decide("",y*x**2>=0,given=[y<H],where={y:UNIT}),lambda: decide("",x>5,given=[y<H],where={y:between(1,2)})),
    false(U,lambda: decide("",p<1,given=[p<H]),lambda: decide("",p>5,given=[p<-1])),
    false({x:between(-1,1)},lambda: decide("",x**3>=-R(1,8),given=[x>=-H,sqrt(x+H)>=0])),
    false(U,lambda: enclose("",p<1,{p:(R(1,3),R(2,3))},given=[p<H]),lambda: enclose("",p>5,{p:(R(3,5),R(2,3))},given=[p<H])),
    false(U,lambda: enclose("",p>5,{p:(R(3,5),R(2,3))},given=[p<H])),
    # one part of several, where only an irrational number shows it
    false({"p a":UNIT},lambda: identity("",[p,p*a],[2*p,p**2],given=[Eq(p,a)])),
    false({x:POSITIVE},lambda: decide("",Equivalent(x**3>2,x**3>=2))),
    false({x:POSITIVE},lambda: decide("",Equivalent(x**3<2,x**3<=2))),
    false({x:POSITIVE},lambda: decide("",Equivalent(2*x**3>4,x**4>=2*x))),
    false({x:POSITIVE},lambda: decide("",Implies(x>1,And(x>H,Ne(x**3,2))))),
    false({x:POSITIVE},lambda: decide("",Implies(x>1,And(Ne(x**3,-2),Ne(x**3,2))))),
    false({x:POSITIVE},lambda: decide("",And(x+1>0,Ne(x**3,2)))),
    false({x:POSITIVE},lambda: decide("",And(Ne(x**3,-2),Ne(x**3,2)))),
    false({x:POSITIVE},lambda: decide("",Equivalent((x**3-2)**2>0,-x<1))),
    false({x:POSITIVE},lambda: decide("",And((x**3-2)**2>0,Ne(x**3,-2)))),
    false({x:POSITIVE},lambda: decide("",Implies(x>1,And((x**3-2)**2>0,Ne(x**3,-2))))),
    # one factor of several is zero, and only an irrational number shows it
    false({x:POSITIVE},lambda: decide("",Ne((x**3-2)*(x**5-3),0))),
    false({x:POSITIVE},lambda: decide("",Or(Ne((x**3-2)**2*(x-7),0),x>6))),
    false({x:POSITIVE},lambda: decide("",Implies(Eq((x**3-2)**2*(x**5-3),0),x**5<R(31,10)))),
    false({x:POSITIVE},lambda: decide("",Implies(Eq((x**3-2)*(x**5-3),0),x**5<R(31,10)))),
    false({x:POSITIVE},lambda: decide("",Or((x**3-2)**2*(x-7)<0,x>6))),
    false({x:POSITIVE},lambda: decide("",Or((x**3-2)*(x**5-3)<0,x**3>2,x**5<3))),
    false(X,lambda: enclose("",x**2<=H,{x:(-1,1)})),
    # facts about Max, Min, Abs and exp that would contradict one another, or a symbol of the claim
    false({x:POSITIVE},lambda: decide("",Ne(Max(x,1)**3,2))),
    false({x:POSITIVE},lambda: decide("",Ne(Min(x,5)**3,2))),
    false(X,lambda: decide("",Or(Ne(Abs(x)**3,2),x>0))),
    false({"exp(x)":POSITIVE,x:REAL},lambda: decide("",Or(e_x<=exp(x),Ne(e_x**3,2)))),
    # orders of derivatives, and what has none; names that are given twice
    false(X,lambda: identity("",sp.Derivative(x**3,(x,2)),3*x**2)),
    false(XY,lambda: identity("",sp.Derivative(x*y,x,y),y)),
    false(N,lambda: identity("",derivative(n**2,n),2*n)),
    false({x:between(1,1,"[]")},lambda: identity("",derivative(x**2,x),2*x)),
    false(U,lambda: decide("",Sum(sqrt(k_positive**2)*p,(k_positive,-1,1))+p<=p)),
    false(U,lambda: decide("",V>1,using={V:p+1}),definitions={V:p}),
    false(U,lambda: decide("",V>1),definitions={V:p,"V":p+1}),
    # premises that contradict one another, beside what is true anyway
    false(X,lambda: identity("",(x+1)**2,x**2+2*x+1),assumptions=[x>=0,x<0]),
    false(X,lambda: identity("",(x+1)**2,x**2+2*x+1),assumptions=[Ne(1/x,0),x>0,x<0]),
    # a domain that is narrower than it says, an end at which something is told, and the lower end of a minimum
    false({x:type("Narrow",(Domain,),{"contains":lambda self,v:v>1,"relations":lambda self,s:[s>1]})()},lambda: decide("",x>0)),
    false({x:Domain(None,0,upper_open=False)},lambda: decide("",sp.Le(sp.sign(x_negative),x_negative**2-1,evaluate=False))),
    false(X,lambda: enclose("",Min(x,5)>=R(1,4),{x:(0,1)})),
    # fractions of unlike denominators, and one that is divided out once of twice
    false(U2,lambda: identity("",(p/2+a/3)**2,(p+a)**2/9)),
    false({x:Domain(1)},lambda: identity("",(x*(x+1)-x-1)/(x**2-1)**2,1)),
    # an answer that is neither true nor false
    false(U,lambda: search("",lambda n:(n<0,"a reason"),n=integers(0,9))),
    # no value somewhere, in what belongs to the claim
    false(X,lambda: decide("",1+Z0*V>0),definitions={Z0:sp.Integer(0),V:1/x}),
    false(X,lambda: decide("",x**2+Z0*W>0),definitions={Z0:sp.Integer(0),V:x+Z0*W,W:1/x},assumptions=[Ne(V,0)]),
    false(X,lambda: decide("",x**2>=0),definitions={Z0:sp.Integer(0)},assumptions=[1+Z0/x>0]),
]
# fmt: on

TRUE = [
    true(U, lambda: decide("", p * (1 - p) <= R(1, 4))),
    true(U, lambda: identity("", (1 - p**5) / (1 - p), 1 + p + p**2 + p**3 + p**4)),
    true(XY, lambda: decide("", Abs(x + y) <= Abs(x) + Abs(y))),
    true(XY, lambda: decide("", Eq(Max(x, y) + Min(x, y), x + y))),
    true(XY, lambda: decide("", Max(x, y) >= (x + y) / 2)),
    true(X, lambda: decide("", Abs(Abs(x) - 1) <= Abs(x) + 1)),
    true(X, lambda: decide("", x**4 - 10 * x**2 + 26 > 0)),
    true(XY, lambda: decide("", x**2 + x * y + y**2 >= 0)),
    true(U, lambda: decide("", log(p) <= p - 1)),
    true(U, lambda: decide("", p * log(p) >= p - 1)),
    true(X, lambda: decide("", exp(x) >= 1 + x)),
    true(U, lambda: decide("", p * pi < R(22, 7))),
    true(U, lambda: decide("", E * p < R(272, 100))),
    true(U, lambda: decide("", p * log(2) < R(7, 10))),
    true(U, lambda: decide("", p * (log(2) + log(3)) < p * R(18, 10))),
    true(U, lambda: identity("", log(6 * p) - log(2 * p), log(3))),
    true(U2, lambda: identity("", (p / 2 + a / 3) ** 2, (3 * p + 2 * a) ** 2 / 36)),
    true({x: Domain(1)}, lambda: identity("", (x * (x + 1) - x - 1) / (x**2 - 1) ** 2, 1 / (x**2 - 1))),
    true({x: POSITIVE}, lambda: identity("", log(4 * x**2 + 4 * x + 1), 2 * log(2 * x + 1))),
    true(U2, lambda: identity("", sqrt(p) * sqrt(p * a), p * sqrt(a))),
    true({"p a": UNIT}, lambda: decide("", (p + a) / 2 >= sqrt(p * a))),
    true({n: COUNT}, lambda: decide("", Ne(2 * n, 7))),
    true({n: COUNT}, lambda: decide("", n**2 >= n)),
    true({"n m": COUNT}, lambda: decide("", n * m + 1 >= n + m)),
    true({n: Domain(integer=True)}, lambda: decide("", n * (n - 1) >= 0)),
    true({n: COUNT}, lambda: identity("", Product(k, (k, 1, 5)) * n, 120 * n)),
    true(U, lambda: identity("", derivative(derivative(V, p), p), 6 * p), definitions={V: p**3}),
    true(U, lambda: identity("", Sum(p**k, (k, 0, 4)) * (1 - p), 1 - p**5)),
    true({"p a b": UNIT}, lambda: decide("", p * a / (1 - p * (1 - a) - (1 - p) * b) < 1)),
    true({"p a b": UNIT}, lambda: decide("", Implies(a + b > 1, p * a / (1 - p * (1 - a) - (1 - p) * b) > p))),
    true({x: between(0, 1, "[]"), y: between(1, 2, "[]")}, lambda: decide("", x <= y)),
    true(X, lambda: decide("", Implies(x**2 < 2, x < R(15, 10)))),
    true({"x y": POSITIVE}, lambda: decide("", x / y + y / x >= 2)),
    true(XY, lambda: decide("", Implies(Min(x, y) >= 1, x * y >= 1))),
    true(XY, lambda: decide("", Equivalent(Min(x, y) >= 0, And(x >= 0, y >= 0)))),
    true(XY, lambda: decide("", x + y <= 2), assumptions=[Max(x, y) <= 1]),
    true({x: POSITIVE, y: REAL}, lambda: decide("", Min(x * y, Min(Max(x, R(4, 5)), R(6, 5)) * y) <= x * y)),
    true(U, lambda: decide("", -p * log(p) - (1 - p) * log(1 - p) > 0)),
    true({"p q": UNIT}, lambda: decide("", p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)) >= 0)),
    true({"p a": CLOSED_UNIT}, lambda: decide("", (p + a) / (1 + p * a) <= 1)),
    true(N, lambda: decide("", (n - 3) * (n - 4) >= 0)),
    true({n: Z}, lambda: decide("", Ne(4 * n + 2, 4 * m), where={m: Z})),
    true(N, lambda: decide("", n + 2**60 > 2**60)),
    true({x: POSITIVE}, lambda: decide("", Or(2 - x**3 >= 0, x**4 - 2 * x > 0))),
    true({x: POSITIVE}, lambda: decide("", Or(2 - x**3 <= 0, x**4 - 2 * x < 0))),
    true({x: POSITIVE}, lambda: identity("", (x**4 + 2 * x) / (x**4 + x**3 + 2 * x + 2), x / (x + 1))),
    true(X, lambda: decide("", x > 3), assumptions=[x > pi]),
    true(X, lambda: decide("", Implies(x > 0, Or(x > 1, x < 2)))),
    true(X, lambda: decide("", V > 0, using={V: 1 / x}), assumptions=[x > 1]),
    true({x: POSITIVE}, lambda: decide("", Or((x**3 - 2) ** 2 * (x - 5) >= 0, x**3 > 2, x**4 < 2 * x))),
    true({x: POSITIVE}, lambda: decide("", Implies(Eq((x**3 - 2) * (x**5 - 3), 0), x > 1))),
    true({x: POSITIVE}, lambda: decide("", Or((x**3 - 2) ** 2 * (x - 5) <= 0, x > 4))),
    true(X, lambda: decide("", x**W >= 0), definitions={W: sp.Integer(2)}),
    true(X, lambda: decide("", Sum(k * x**2, (k, -3, -1)) <= 0)),
    true(X, lambda: decide("", Sum(k * x**2, (k, 600, 602)) >= 0)),
    true({x: POSITIVE}, lambda: decide("", x > 1), assumptions=[sqrt(x) > 1]),
]


@pytest.mark.parametrize("claim", FALSE, ids=range(len(FALSE)))
def test_what_is_false_somewhere_does_not_hold(claim):
    """Two say x = x: SymPy has made it of sqrt(x)**2 and of exp(log(x)) before anything is checked, and the verdict shows it."""
    assert outcome(*claim) in (Outcome.FAILS, Outcome.UNDECIDED, Outcome.ERROR, Outcome.DEFINITION)


@pytest.mark.parametrize("claim", TRUE, ids=range(len(TRUE)))
def test_what_is_true_holds(claim):
    assert outcome(*claim) is Outcome.HOLDS


SQUARE, LOW, HIGH = x**2 >= 0, [x <= 0], [x >= 0]
REACHES = [
    (Outcome.EXAMPLE, true(X, lambda: example("", x > 1, {x: 2}))),
    (Outcome.EXAMPLE, true(X, lambda: example("", x > 1, {x: 2}), lambda: identity("", V, x), definitions={V: x})),
    (Outcome.EXAMPLE, true(X, lambda: example("", x > 1, {x: 2}), lambda: decide("", SQUARE, lemma=True))),
    (Outcome.EXAMPLE, true(X, lambda: decide("", y**2 >= 0, where={y: REAL}))),
    (Outcome.DEFINITION, true(X, lambda: example("", x > 1, {x: 2}, lemma=True), lambda: identity("", V, x), definitions={V: x})),
    (Outcome.DEFINITION, true(X, lambda: decide("", Eq(V, x)), definitions={V: x})),
    (Outcome.HOLDS, true(X, lambda: decide("", And(Eq(V, x), SQUARE)), definitions={V: x})),
    (Outcome.HOLDS, true(X, lambda: identity("", [V, (x + 1) ** 2], [x, x**2 + 2 * x + 1]), definitions={V: x})),
    (Outcome.HOLDS, true(X, lambda: decide("", SQUARE, given=LOW), lambda: decide("", SQUARE, given=HIGH))),
    (Outcome.CONDITIONAL, true(X, lambda: decide("", SQUARE, given=LOW))),
    (Outcome.CONDITIONAL, true(X, lambda: decide("", SQUARE, given=[x < 0]), lambda: decide("", SQUARE, given=[x > 0]))),
    (Outcome.CONDITIONAL, true(X, lambda: decide("", SQUARE, given=LOW), lambda: decide("", x**4 >= 0, given=HIGH))),
    (
        Outcome.CONDITIONAL,
        true(X, lambda: decide("", V >= 0, given=LOW, using={V: x**2}), lambda: decide("", V >= 0, given=HIGH, using={V: x**4})),
    ),
    (Outcome.CONDITIONAL, true(X, lambda: decide("", SQUARE, lemma=True), lambda: decide("", SQUARE, given=HIGH))),
    (Outcome.HOLDS, true(X, lambda: decide("", SQUARE, given=HIGH), assumptions=[x >= 0])),
    (Outcome.CONDITIONAL, true(XY, lambda: decide("", SQUARE))),
    (Outcome.CONDITIONAL, true(XY, lambda: decide("", SQUARE), lambda: identity("", V, y), definitions={V: y})),
    (Outcome.HOLDS, true(XY, lambda: decide("", SQUARE, given=[y > 0]), lambda: decide("", SQUARE, given=[y <= 0]))),
    (Outcome.HOLDS, true(XY, lambda: decide("", V**2 >= 0, using={V: x * y}))),
    (Outcome.HOLDS, true(XY, lambda: decide("", V**2 >= 0), definitions={V: x * y})),
    (
        Outcome.CONDITIONAL,
        true(
            {x: POSITIVE},
            lambda: decide("", x * y**2 >= 0, given=[y < H], where={y: UNIT}),
            lambda: decide("", x * y**2 >= 0, given=[y >= H], where={y: between(0, 2)}),
        ),
    ),
    (Outcome.CONDITIONAL, true(X, lambda: enclose("", x**2 <= 1, {x: (-1, 1)}))),
    (Outcome.HOLDS, true({x: CLOSED_UNIT}, lambda: enclose("", x**2 <= 1, {x: (0, 1)}))),
    (Outcome.CONDITIONAL, true({x: CLOSED_UNIT}, lambda: enclose("", x**2 <= 1, {x: (0, H)}))),
    (Outcome.HOLDS, true({x: CLOSED_UNIT}, *(lambda e=e: enclose("", x**2 <= 1, {x: e}) for e in ((0, H), (H, 1))))),
    (
        Outcome.CONDITIONAL,
        true({x: CLOSED_UNIT}, *(lambda e=e: enclose("", x**2 <= 1, {x: e}) for e in ((0, H), (R(500001, 10**6), 1)))),
    ),
]


@pytest.mark.parametrize(("expected", "claim"), REACHES, ids=range(len(REACHES)))
def test_what_was_shown_for_less_than_all_values_is_said_to_be(expected, claim):
    assert outcome(*claim) is expected
