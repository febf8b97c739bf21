# SPDX-License-Identifier: MIT
"""Minimax coefficients of include/quarry/core/exact_math.h by the Remez exchange, 60 digits.
Made with Python 3.11, mpmath 1.3.0: python3 make_exact_math.py"""
from mpmath import mp, mpf, matrix, lu_solve, cos, pi, exp, log, sqrt
mp.dps=60
def remez(f, w, n, a, b, iters=40):
    # minimise max |w(x)(f(x)-p(x))|, p of degree n
    xs=[(a+b)/2+(b-a)/2*cos(pi*(n+1-i)/(n+1)) for i in range(n+2)]
    for _ in range(iters):
        A=matrix(n+2,n+2);B=matrix(n+2,1)
        for i,x in enumerate(xs):
            for j in range(n+1):A[i,j]=x**j
            A[i,n+1]=(-1)**i/w(x);B[i]=f(x)
        c=lu_solve(A,B);p=[c[j] for j in range(n+1)]
        e=lambda x:w(x)*(f(x)-sum(p[j]*x**j for j in range(n+1)))
        g=[a+(b-a)*mpf(k)/4000 for k in range(4001)]
        v=[e(x) for x in g]
        ext=[];cur=0
        # sign segments
        k=0
        while k<=4000:
            s=1 if v[k]>0 else -1
            best=k
            while k<=4000 and (1 if v[k]>0 else -1)==s:
                if abs(v[k])>abs(v[best]):best=k
                k+=1
            ext.append(best)
        while len(ext)>n+2:
            if abs(v[ext[0]])<abs(v[ext[-1]]):ext.pop(0)
            else:ext.pop()
        if len(ext)<n+2:break
        new=[g[k] for k in ext]
        if max(abs(x-y) for x,y in zip(new,xs))<mpf(10)**-6:break
        xs=new
    return p,max(abs(t) for t in v)
h=log(2)/2
def q(r):
    if abs(r)<mpf(10)**-8: return mpf(1)/2+r/6+r*r/24
    return (exp(r)-1-r)/r**2
for name,n in(('float',4),('double',9)):
    p,e=remez(q,lambda r:(r*r+mpf('1e-3'))*exp(-r),n,-h*mpf('1.0005'),h*mpf('1.0005'))
    print(name,'exp err',mp.nstr(e,5),[float(x).hex() for x in p],[mp.nstr(x,18) for x in p])
zmax=((sqrt(2)-1)/(sqrt(2)+1))**2*mpf('1.001')
def R(z):
    # log((1+s)/(1-s)) = 2s + s*z*Q(z), z=s^2
    if z<mpf(10)**-12:return mpf(2)/3+mpf(2)/5*z
    s=sqrt(z);return (log((1+s)/(1-s))-2*s)/(s*z)
for name,n in(('float',3),('double',6)):
    p,e=remez(R,lambda z:z/2+mpf('1e-4'),n,mpf(0),zmax)
    print(name,'log rel err',mp.nstr(e,5),[float(x).hex() for x in p],[mp.nstr(x,18) for x in p])
import struct
def f32(x):return struct.unpack('f',struct.pack('f',float(x)))[0]
L=log(2)
hi=float(L);print('ln2 d',hi.hex(),float(L-mpf(hi)).hex(), float(1/L).hex())
hf=f32(L);print('ln2 f',hf.hex(),f32(L-mpf(hf)).hex(), f32(1/L).hex())
